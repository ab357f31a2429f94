"""Ways out that are not this system's own: the heartbeat, and pages by mail or by the webhook of another provider."""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import httpx

from carecircle.probe.verdict import Page
from carecircle.settings import Settings

_log = logging.getLogger(__name__)

_TIMEOUT_S = 15.0


def beat(settings: Settings) -> str:
    """Call the dead-man's switch; what went wrong, "" when nothing did or none is set."""
    probe = settings.probe
    if not probe.heartbeat_url:
        return ""
    try:
        answer = httpx.request(probe.heartbeat_method.upper(), probe.heartbeat_url, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the heartbeat to {_host(probe.heartbeat_url)} failed: {error or type(error).__name__}"
    return (
        "" if answer.is_success else f"the heartbeat to {_host(probe.heartbeat_url)} was answered {answer.status_code}"
    )


def send_page(settings: Settings, page: Page) -> list[str]:
    """Send a page on every way that is set; what went wrong, [] when it went out on at least one of them."""
    ways = []
    if settings.probe.mail.host:
        ways.append(_by_mail)
    if settings.probe_webhook_url():
        ways.append(_by_webhook)
    if not ways:
        return ["there is no way to page anybody: set probe.mail or probe.webhook"]
    failed = [why for way in ways if (why := way(settings, page))]
    for why in failed:
        _log.warning("%s", why)
    return failed if len(failed) == len(ways) else []


def _by_mail(settings: Settings, page: Page) -> str:
    mail = settings.probe.mail
    message = EmailMessage()
    message["Subject"] = page.subject
    message["From"] = mail.sender
    message["To"] = ", ".join(mail.to)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="carecircle.invalid")
    message.set_content(f"{page.text}\n")
    context = ssl.create_default_context()
    try:
        if mail.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=_TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(mail.host, mail.port, timeout=_TIMEOUT_S)
        with server:
            if mail.security == "starttls":
                server.starttls(context=context)
            if mail.username:
                server.login(mail.username, settings.probe_mail_password() or "")
            server.send_message(message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return f"mail over {mail.host}:{mail.port} failed: {error}"
    return ""


def _by_webhook(settings: Settings, page: Page) -> str:
    url = settings.probe_webhook_url()
    body = settings.probe.webhook.body
    said = f"{page.subject}\n{page.text}"
    is_json = _is_json(body)
    filled = body.replace("{text}", json.dumps(said, ensure_ascii=False)[1:-1] if is_json else said)
    kind = "application/json" if is_json else "text/plain; charset=utf-8"
    try:
        answer = httpx.post(url, content=filled.encode(), headers={"content-type": kind}, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the webhook at {_host(url)} failed: {error or type(error).__name__}"
    return "" if answer.is_success else f"the webhook at {_host(url)} answered {answer.status_code}"


def _is_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _host(url: str) -> str:
    """The rest of such an address is a secret."""
    try:
        return httpx.URL(url).host
    except httpx.InvalidURL:
        return "an address that is none"
