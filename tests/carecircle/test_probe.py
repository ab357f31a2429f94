"""The probe by itself: what a round means, when the operator is paged, and the ways out to real servers."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from carecircle.probe.errors import ProbeError
from carecircle.probe.outside import beat, send_page
from carecircle.probe.receipt import TestChannel
from carecircle.probe.verdict import Page, PageKind, Seen, Standing, fault, judge, paged
from carecircle.probe.watch import last, last_standing, open_channel, watch_once
from carecircle.settings import Role, Settings, SettingsError
from tests.servers.outside import mail_server, outside_server
from tests.servers.ports import free_port
from tests.servers.sink import SECRET

MINUTE_MS = 60_000
PAGE = Page(PageKind.FAILED, "CareCircle here: does not work", 'The "gateway" is gone.\nLook at it.')


def settings_of(tmp_path: Path, **probe: object) -> Settings:
    """Settings of a probe whose broker nobody runs."""
    return Settings(
        data_dir=tmp_path,
        broker={"url": f"mqtt://127.0.0.1:{free_port()}"},
        probe={"device": "probe-1", "secret": SECRET, "listen_port": free_port(), "within_s": 1.0, **probe},
    )


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (Seen(taken_s=0.01, acknowledged_s=0.05, received_s=0.4), ""),
        (Seen(error="refused"), "could not be sent: refused"),
        (Seen(), "the broker did not take"),
        (Seen(taken_s=0.01), "neither was the device told"),
        (Seen(taken_s=0.01, acknowledged_s=0.05), "no message came to the test channel"),
        (Seen(taken_s=0.01, acknowledged_s=0.05, received_s=61.0), "took 61 s"),
        (Seen(taken_s=0.01, received_s=0.4), "the device was never told"),
    ],
)
def test_a_round_says_where_it_was_lost(seen: Seen, said: str) -> None:
    """The first step that is missing names the process to look at."""
    assert said in fault(seen, 60.0)
    assert bool(fault(seen, 60.0)) == bool(said)


def told(rounds: list[bool], *, gets_out: bool = True) -> list[tuple[int, str]]:
    """(minute, kind) of the pages of rounds every ten minutes; True is a failed one."""
    standing, pages = Standing(), []
    for k, failed in enumerate(rounds):
        at_ms = 10 * k * MINUTE_MS
        standing, page = judge(standing, ("the broker is gone",) if failed else (), at_ms, 3600.0, "here")
        if page is not None:
            pages.append((10 * k, page.kind.value))
            if gets_out:
                standing = paged(standing, page, at_ms)
    return pages


def test_the_operator_hears_at_once_every_hour_and_at_the_end() -> None:
    """Not of each round."""
    assert told([False, True, True, True, False, False]) == [(10, "failed"), (40, "recovered")]
    assert told([True] * 14) == [(0, "failed"), (60, "still"), (120, "still")]
    assert told([True, False, True]) == [(0, "failed"), (10, "recovered"), (20, "failed")]


def test_a_page_that_did_not_get_out_is_due_again() -> None:
    """Until it does; and nobody is told that it works again who never heard that it did not."""
    assert told([True, True, False], gets_out=False) == [(0, "failed"), (10, "failed")]


@given(st.lists(st.booleans(), max_size=60))
def test_between_two_that_say_it_fails_for_the_first_time_is_one_that_says_it_works(rounds: list[bool]) -> None:
    """Failed and recovered alternate, beginning with failed; a page in the hour after another is a change."""
    pages = told(rounds)
    changes = [kind for _, kind in pages if kind != "still"]
    assert changes == ["failed", "recovered"] * (len(changes) // 2) + ["failed"] * (len(changes) % 2)
    assert all(later - earlier >= 60 for (earlier, _), (later, kind) in pairwise(pages) if kind == "still")
    assert bool(pages) == any(rounds)


def test_only_a_genuine_message_is_a_receipt() -> None:
    """Another secret, another body, no signature, too much: refused, and not taken for the message."""
    port = free_port()
    body = json.dumps({"data": {"incident": "i1"}})

    def headers(secret: str) -> dict[str, str]:
        at = datetime.now(UTC)
        signature = Webhook(secret).sign(msg_id="n1", timestamp=at, data=body)
        return {"webhook-id": "n1", "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}

    with TestChannel("127.0.0.1", port, SECRET) as channel, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.post("/", content=body).status_code == 401
        assert client.post("/", content=body, headers=headers("whsec_" + "B" * 32)).status_code == 401
        assert client.post("/", content=body.replace("i1", "i2"), headers=headers(SECRET)).status_code == 401
        assert client.post("/", content=b"x" * 70_000).status_code == 413
        assert client.get("/").status_code == 501
        assert channel.wait("i1", 0.0) is None
        before_s = time.monotonic()
        assert client.post("/", content=body, headers=headers(SECRET)).status_code == 204
        first_s = channel.wait("i1", 1.0)
        assert first_s is not None
        assert before_s <= first_s <= time.monotonic()
        client.post("/", content=body, headers=headers(SECRET))
        assert channel.wait("i1", 1.0) == first_s  # a repeat is no later receipt
        with pytest.raises(ProbeError, match=r"another probe running.*probe\.listen_port"):
            TestChannel("127.0.0.1", port, SECRET)


def test_a_heartbeat_goes_out_as_it_is_set(tmp_path: Path) -> None:
    """GET or POST; an error answer and a server that is gone are said, without the secret path."""
    with outside_server() as outside:
        assert beat(settings_of(tmp_path)) == ""
        assert beat(settings_of(tmp_path, heartbeat_url=outside.url("a"))) == ""
        assert beat(settings_of(tmp_path, heartbeat_url=outside.url("b"), heartbeat_method="post")) == ""
        assert [(method, path) for method, path, _ in outside.calls] == [("GET", "a"), ("POST", "b")]
        outside.status = 404
        said = beat(settings_of(tmp_path, heartbeat_url=outside.url("secret")))
        assert said == "the heartbeat to 127.0.0.1 was answered 404"
    assert "failed" in beat(settings_of(tmp_path, heartbeat_url=outside.url("secret")))
    assert "failed" in beat(settings_of(tmp_path, heartbeat_url="not an address"))


def test_a_page_goes_out_by_mail_and_webhook(tmp_path: Path) -> None:
    """As JSON with the text escaped, or as plain text; one way that works is enough, none is said."""
    with outside_server() as outside, mail_server() as mail:
        address = {"sender": "a@example.org", "to": ["b@example.org", "c@example.org"], "security": "none"}
        mailed = {"host": "127.0.0.1", "port": mail.port, **address}
        both = settings_of(tmp_path, mail=mailed, webhook={"url": outside.url("page")})
        assert send_page(both, PAGE) == []
        (message,) = mail.mails
        assert (message["Subject"], message["To"]) == (PAGE.subject, "b@example.org, c@example.org")
        assert '"gateway" is gone' in message.get_content()
        assert mail.logins == []
        assert json.loads(outside.calls[0][2]) == {"text": f"{PAGE.subject}\n{PAGE.text}"}
        assert send_page(settings_of(tmp_path, webhook={"url": outside.url("ntfy"), "body": "{text}"}), PAGE) == []
        assert outside.calls[1][2] == f"{PAGE.subject}\n{PAGE.text}"
        mail.refuse = True
        assert send_page(both, PAGE) == []
        outside.status = 500
        failed = send_page(both, PAGE)
        assert len(failed) == 2
        assert "127.0.0.1 answered 500" in failed[1]
    assert send_page(settings_of(tmp_path), PAGE) == [
        "there is no way to page anybody: set probe.mail or probe.webhook"
    ]


def test_a_broker_that_is_gone_pages_once_and_is_remembered_over_a_restart(tmp_path: Path) -> None:
    """No heartbeat; the second round pages nobody; the state on disk says so to the next process."""
    with outside_server() as outside:
        settings = settings_of(
            tmp_path, heartbeat_url=outside.url("alive"), webhook={"url": outside.url("page")}, within_s=0.5
        )
        with open_channel(settings) as channel:
            first = watch_once(settings, channel)
        with open_channel(settings) as channel:
            second = watch_once(settings, channel)
        assert first is not None
        assert second is not None
        assert outside.paths() == ["page"]
    assert "the SOS could not be sent" in first.faults[0]
    assert (first.paged, second.paged) == ("failed", "")
    assert last_standing(settings).rounds == 2
    (settings.state_dir / "probe.json").write_text("{")
    assert (last(settings), last_standing(settings)) == ({}, Standing())


def test_a_round_that_is_stopped_pages_nobody(tmp_path: Path) -> None:
    """The rest of the system is being ended too: that it does not answer says nothing."""
    stop = threading.Event()
    stop.set()
    with outside_server() as outside:
        settings = settings_of(tmp_path, webhook={"url": outside.url("page")})
        with open_channel(settings) as channel:
            assert watch_once(settings, channel, stop) is None
        assert outside.calls == []
    assert last(settings) == {}


def test_the_role_runs_only_where_a_device_is_set(tmp_path: Path) -> None:
    """And says what is missing."""
    assert Role.PROBE not in Settings(data_dir=tmp_path).roles
    assert settings_of(tmp_path).roles[0] is Role.PROBE  # ended first
    assert settings_of(tmp_path).roles[1:] == Settings(data_dir=tmp_path).roles
    with pytest.raises(SettingsError, match=r"probe\.device"):
        open_channel(Settings(data_dir=tmp_path))
    with pytest.raises(SettingsError, match=r"probe\.secret_file"):
        open_channel(settings_of(tmp_path, secret=None))
    with pytest.raises(SettingsError, match="base64"):
        open_channel(settings_of(tmp_path, secret="whsec_ä"))
    with pytest.raises(ValueError, match="sender and to"):
        settings_of(tmp_path, mail={"host": "smtp.example"})
    with pytest.raises(ValueError, match="no device id"):
        settings_of(tmp_path, device="a/b")
