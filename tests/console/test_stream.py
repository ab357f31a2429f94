"""The stream of events, from a real server in a process of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from alerts import actions
from alerts.service import AlertService, AlertSettings
from console.feed import Feed
from console.reading import read_revision
from detectors.detection import pack_detection
from journal import JournalWriter
from tests.console.conftest import copy_of
from tests.console.district import LINK_KEY, ZHANG, fall, incident_of, take
from tests.servers.console import running_console


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    kind: str
    id: str | None
    data: str


class Stream:
    """An open stream of events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> Event:
        """The next event, whatever it is."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and fields.keys() - {"retry"}:
                return Event(fields["event"], fields.get("id"), fields["data"])
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError

    def drain(self) -> None:
        """Read on until it ends."""
        while True:
            self.next()

    def revision(self) -> Event:
        """The next event that says that something changed."""
        deadline = time.monotonic() + 5
        while (event := self.next()).kind != "revision":
            assert time.monotonic() < deadline, "nothing but beats"
        return event


@contextmanager
def listening(url: str, last_event_id: str | None = None) -> Iterator[Stream]:
    """A page that listens."""
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    with httpx.stream("GET", f"{url}/events", headers=headers, timeout=5) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)


def now_ms() -> int:
    """Now."""
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def engine(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One database for these tests: a server takes its time to start. Each test has a person of its own."""
    engine = copy_of(built, tmp_path_factory.mktemp("stream"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def console(engine: Engine) -> Iterator[str]:
    """The address of a console in a process of its own."""
    with running_console(str(engine.url), LINK_KEY) as url:
        yield url


def test_a_new_incident_is_on_every_open_board_within_a_second(engine: Engine, console: str, tmp_path: Path) -> None:
    """From the detection in the journal, through the alerts service in another process than the console; heard by
    thirty pages; and a page fetched at that moment has it."""
    with ExitStack() as stack:
        detections = stack.enter_context(
            closing(JournalWriter(tmp_path / "detections", consumers=["alerts"], reserve_bytes=0))
        )
        settings = AlertSettings(link_key=LINK_KEY, public_url=console)
        service = stack.enter_context(closing(AlertService(engine, tmp_path, settings)))
        streams = [stack.enter_context(listening(console)) for _ in range(30)]
        first = {stream.revision().id for stream in streams}
        assert first == {read_revision(engine)}
        for device in ("d-0001", "d-0002", "d-0003"):
            start = time.monotonic()
            detections.append([pack_detection(fall(device, now_ms() - 4000))])
            detections.commit()
            service.step(now_ms())
            newest = read_revision(engine)
            for stream in streams:  # a step may be several transactions, and each raises the revision
                while stream.revision().id != newest:
                    pass
            board = httpx.get(f"{console}/").text
            took_s = time.monotonic() - start
            assert f"/incidents/{incident_of(engine, device)}" in board
            assert f'data-revision="{newest}"' in board
            assert took_s < 3.0  # within one where nothing else runs (bench/console_boards.py)


def test_an_acknowledgement_is_heard_too(engine: Engine, console: str) -> None:
    """Of whatever way it came."""
    take(engine, now_ms(), fall("d-0004", now_ms() - 4000))
    with listening(console) as stream:
        before = stream.revision()
        actions.acknowledge(engine, incident_of(engine, "d-0004"), ZHANG, now_ms(), via="link")
        assert stream.revision().id != before.id


def test_whoever_was_asleep_catches_up_and_whoever_was_not_hears_nothing_twice(engine: Engine, console: str) -> None:
    """By the id of the last event."""
    with listening(console) as stream:
        while (slept := stream.revision().id) != read_revision(engine):  # it may be a look behind
            pass
    with listening(console, slept) as stream:
        assert [stream.next().kind for _ in range(3)] == ["beat"] * 3
    take(engine, now_ms(), fall("d-0005", now_ms() - 4000))
    time.sleep(0.5)
    with listening(console, slept) as stream:
        start = time.monotonic()
        assert stream.revision().id == read_revision(engine)
        assert time.monotonic() - start < 0.5


def test_a_quiet_stream_says_that_it_is_alive(console: str) -> None:
    """With the server's clock, which the running clocks of the page go by."""
    with listening(console) as stream:
        stream.revision()
        beat = stream.next()
    assert beat.kind == "beat"
    assert beat.id is None
    assert abs(int(beat.data) - now_ms()) < 2000


def test_who_leaves_is_forgotten(console: str) -> None:
    """No matter how: the server counts who listens."""
    with ExitStack() as stack:
        streams = [stack.enter_context(listening(console)) for _ in range(5)]
        for stream in streams:
            stream.revision()
        assert httpx.get(f"{console}/healthz").json()["streams"] == 5
    deadline = time.monotonic() + 3
    while (left := httpx.get(f"{console}/healthz").json()["streams"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == 0


def test_the_server_stops_at_once_with_boards_open(engine: Engine) -> None:
    """Streams end when it stops, so that it need not wait for them: in order, not cut off after its patience."""
    with ExitStack() as stack:
        with running_console(str(engine.url), LINK_KEY) as url:
            streams = [stack.enter_context(listening(url)) for _ in range(3)]
            for stream in streams:
                stream.revision()
            start = time.monotonic()
        assert time.monotonic() - start < 6.0
        for stream in streams:
            with pytest.raises(EOFError):
                stream.drain()


def test_the_database_is_asked_once_however_many_listen() -> None:
    """One loop per process; each listener hears of the same news."""
    asked = 0

    def read() -> str:
        nonlocal asked
        asked += 1
        return str(asked // 5)

    async def scenario() -> list[list[bytes]]:
        feed = Feed(read, poll_s=0.01)

        async def listen() -> list[bytes]:
            stream = feed.stream(None, heartbeat_s=10)
            return [event async for event in _until(stream, b"id: 3\n")]

        async with feed.running():
            return await asyncio.gather(*(listen() for _ in range(200)))

    heard = asyncio.run(scenario())
    assert len(heard) == 200
    assert asked < 60
    assert all(events[-1].startswith(b"id: 3\n") for events in heard)


def test_a_database_that_fails_is_told_and_its_return_too() -> None:
    """The board says that it is old; nothing has to be reloaded afterwards."""
    failing = threading.Event()

    def read() -> str:
        if failing.is_set():
            raise OperationalError("SELECT", {}, Exception("disk I/O error"))
        return "7.1"

    async def scenario() -> list[bytes]:
        feed = Feed(read, poll_s=0.01)
        heard = []
        async with feed.running():
            async for event in feed.stream(None, heartbeat_s=10):
                heard.append(event)
                if event.startswith(b"id: 7.1"):
                    failing.set()
                if event == b"event: stale\ndata: 1\n\n":
                    failing.clear()
                if event == b"event: stale\ndata: 0\n\n":
                    break
        return heard

    heard = asyncio.run(asyncio.wait_for(scenario(), 5))
    assert [event.split(b"\n")[0] for event in heard[1:]] == [b"id: 7.1", b"event: stale", b"event: stale"]


async def _until(stream, ending: bytes):
    async for event in stream:
        yield event
        if event.startswith(ending):
            return
