"""What may come in at all, and what every answer carries. Plain ASGI, so that streams pass through unbuffered.

Two dangers always: another site that resolves its own name to ours (DNS rebinding, stopped by the Host header) and
another site that posts a form to us (cross-site request forgery, stopped by Sec-Fetch-Site and Origin,
https://www.w3.org/TR/fetch-metadata/). A third where nobody has to log in: a reverse proxy that passes on more than the
links; what comes through one then gets the link pages only. Who may see what is decided in ``access``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.links import ACK_PATH, REPLY_PATH, SHORT_PATH
from registry.feeds import FEED_PATH

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: What the outside world may ask for: acknowledgement links and what their pages load, replies, which are signed, and
#: the calendars of responders, whose address is a secret.
_OUTSIDE = (ACK_PATH, SHORT_PATH, REPLY_PATH, FEED_PATH, "/static/")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_SAFE = frozenset({"GET", "HEAD"})
#: More than a note of 2,000 characters ever takes.
_MAX_BODY_BYTES = 64 * 1024
#: Files that are imported, which only who is logged in may send.
_IMPORT, _MAX_IMPORT_BYTES = "/administration/import", 21 * 1024 * 1024

#: No inline script or style, nothing from elsewhere, no framing.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # "no-referrer" would make browsers send "Origin: null" with our own forms
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex, nofollow",
    "cache-control": "no-store",
}


def protect(response: Response) -> Response:
    """The same response with the security headers it does not set itself."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


class Guard:
    """Refuses what comes from elsewhere, and sets the security headers of every answer that does not set its own.

    ``public_host`` is the host name of acknowledgement links ("" for none), ``host_names`` are further ones of ours.
    With ``login`` the rest may be asked for from elsewhere too. ``refuse`` makes the answer for a status.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        public_host: str,
        login: bool,
        host_names: Iterable[str],
        refuse: Callable[[Request, int], Response],
    ) -> None:
        self._app = app
        self._public_host = "" if public_host in _LOOPBACK else public_host
        self._hosts = _LOOPBACK | {self._public_host, *(name.lower() for name in host_names)}
        self._login = login
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        status = self._fault(scope)
        app = self._app if status is None else self._refuse(Request(scope), status)
        await app(scope, receive, send_guarded)

    def _fault(self, scope: Scope) -> int | None:
        headers = Headers(scope=scope)
        host = _host_name(headers.get("host", ""))
        outside = host == self._public_host != "" or any(name in headers for name in _FORWARDED)
        if not host or host not in self._hosts:
            return 403
        link = scope["path"].startswith((ACK_PATH, REPLY_PATH))
        if outside and not self._login and not scope["path"].startswith(_OUTSIDE):
            return 404
        if scope["method"] in _SAFE:
            return None
        if not self._is_program(headers) and not self._same_origin(headers, link=link):
            return 403
        length = headers.get("content-length", "")
        if "transfer-encoding" in headers or not (length or "0").isdecimal() or int(length or 0) > _most(scope["path"]):
            return 413
        return None

    def _is_program(self, headers: Headers) -> bool:
        """Whether a request shows an API token, which no browser sends by itself."""
        return self._login and headers.get("authorization", "").lower().startswith("bearer ")

    def _same_origin(self, headers: Headers, *, link: bool) -> bool:
        """Whether a page of ours sent this form.

        A client that says nothing is no browser, and whoever has a link may use it: a link needs no more than not to
        come from another site.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        if origin is None:
            return link
        try:
            there = urlsplit(origin)
            own = there.netloc.lower() == headers.get("host", "").lower() != ""
            return own or ((link or self._login) and there.hostname == self._public_host != "")
        except ValueError:
            return False


def _host_name(header: str) -> str:
    """The name in a Host header, lower case, without the port; "" for one that cannot be read."""
    try:
        return (urlsplit(f"//{header}").hostname or "") if not set(header) & set("/?#@\\ ") else ""
    except ValueError:
        return ""


def _most(path: str) -> int:
    """How many bytes a request may bring."""
    return _MAX_IMPORT_BYTES if path == _IMPORT else _MAX_BODY_BYTES
