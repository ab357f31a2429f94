"""The pages of the quarantine: what is in it for whom, its bytes, and putting messages back with a look before."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

import registry
from console.access.models import audit
from console.access.rules import Role
from console.app import create_app
from console.settings import ConsoleSettings
from journal import JournalFull, JournalReader
from journal.quarantine import Filter, Quarantine, list_entries, load_replayed
from registry.models import area as registry_area
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage, unpack_raw
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"
ELSEWHERE = "chongqing.other"
GOOD = b'{"t":1772423000000,"boot":1,"seq":7,"hr":71}'


@dataclass(frozen=True)
class Kept:
    """A data folder with a quarantine, and the console over it."""

    app: FastAPI
    folder: Path

    def id_of(self, device: str | None) -> str:
        """The id of the newest entry of a device."""
        return next(one.id for one in list_entries(self.folder / "quarantine") if one.device == device)

    def put_back(self) -> list[RawMessage]:
        """What the processor will read."""
        if not (self.folder / "journal" / "replayed").exists():
            return []
        reader = JournalReader(self.folder / "journal" / "replayed", "processor")
        batches = []
        while more := reader.read():  # a segment at a time
            batches += more
        reader.close()
        return [unpack_raw(record) for batch in batches for record in batch]


@pytest.fixture
def kept(engine: Engine, tmp_path: Path, clock: Clock) -> Kept:
    """One message of a known device that would be taken now, and others that would not."""
    with registry.writing(engine) as connection:
        connection.execute(registry_area.insert(), [{"path": ELSEWHERE, "name": "Other"}])
    quarantine = Quarantine(tmp_path / "quarantine", "processor")
    for minute, device, payload, reason in (
        (90, "d-0001", GOOD, Reason.UNKNOWN_DEVICE),
        (60, "d-0002", b'{"hr":"<img src=x onerror=alert(1)>","\xe2\x80\xaex":1}', Reason.INVALID),
        (30, "d-0001", bytes(range(256)) * 300, Reason.TOO_LARGE),
        (10, "unheard", b"\x00\x1b[2J", Reason.UNDECODABLE),
    ):
        topic = f"care/v1/{device}/vitals".encode()
        at_ms = NOON_MS - minute * 60_000
        quarantine.put(reason, f"<b>why</b> {device}", RawMessage(at_ms, Flag.DUP, topic, payload), device)
    quarantine.close()
    settings = ConsoleSettings(
        link_key=LINK_KEY, time_zone="Asia/Shanghai", quarantine_dir=tmp_path / "quarantine",
        journal_dir=tmp_path / "journal",
    )  # fmt: skip
    return Kept(create_app(engine, settings, now_ms=clock), tmp_path)


@pytest.fixture
def desk(kept: Kept, engine: Engine) -> Iterator[TestClient]:
    """An engineer of everything."""
    add_user(engine, "tech", Role.ENGINEER)
    with browser_of(kept.app, engine, "tech", NOON_MS) as browser:
        yield browser


def ids_of(page: str) -> list[str]:
    """The entries of the list, in its order."""
    return re.findall(r'<a href="/quarantine/([a-z]+-\d+-\d+)">', page)


def text_of(page: str) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def test_the_list_is_filtered_by_device_reason_stage_and_time(desk: TestClient, kept: Kept) -> None:
    """The newest first, with the counts of all."""
    every = ids_of(desk.get("/quarantine").text)
    assert every == [one.id for one in list_entries(kept.folder / "quarantine")]
    for query, found in (
        ("device=d-0001", [every[1], every[3]]), ("reason=invalid", [every[2]]), ("since=1", every[:3]),
        ("stage=processor", every), ("stage=nothing&since=x&page=x", every), ("reason=conflict", []),
    ):  # fmt: skip
        assert ids_of(desk.get(f"/quarantine?{query}").text) == found, query
    assert "Device not in the registry processor 1 0" in text_of(desk.get("/quarantine").text)
    assert "Nothing is in quarantine that fits" in desk.get("/quarantine?reason=conflict").text


def test_an_entry_is_shown_as_text_and_bytes_and_never_run(desk: TestClient, kept: Kept, engine: Engine) -> None:
    """Marks of a device stay marks; nothing turns the direction or moves a cursor; long ones are shown in part."""
    evil = desk.get(f"/quarantine/{kept.id_of('d-0002')}").text
    assert "<img src=x" not in evil
    assert "&lt;img src=x" in evil
    assert "\u202e" not in evil.partition('id="bytes"')[2]
    assert "7b 22 68 72 22" in evil
    assert "\x1b" not in desk.get(f"/quarantine/{kept.id_of('unheard')}").text
    long = kept.id_of("d-0001")
    part, whole = desk.get(f"/quarantine/{long}").text, desk.get(f"/quarantine/{long}?size=all").text
    assert "000007f0" in part
    assert "00000800" not in part
    assert "0000fff0" in whole
    assert "76800 bytes" in text_of(part)
    raw = desk.get(f"/quarantine/{long}/payload.bin")
    assert raw.content == (bytes(range(256)) * 300)[: 64 << 10]
    assert raw.headers["content-disposition"].startswith("attachment")
    with engine.connect() as connection:
        seen = connection.execute(select(audit.c.subject).where(audit.c.kind == "quarantine")).scalars().all()
    assert long in seen


def test_messages_of_other_areas_are_not_there(kept: Kept, engine: Engine) -> None:
    """Not in the list, not by their id, not by replaying them; those of unknown devices are for who sees everything."""
    add_user(engine, "near", Role.ENGINEER, areas=(HOME,))
    add_user(engine, "far", Role.ENGINEER, areas=(ELSEWHERE,))
    every = [one.id for one in list_entries(kept.folder / "quarantine")]
    unknown = kept.id_of("unheard")
    for name, seen in (("near", [one for one in every if one != unknown]), ("far", [])):
        with browser_of(kept.app, engine, name, NOON_MS) as browser:
            page = browser.get("/quarantine").text
            assert ids_of(page) == seen, name
            assert "By reason, since the beginning" not in page
            for one in every:
                status = 200 if one in seen else 404
                assert browser.get(f"/quarantine/{one}").status_code == status
                assert browser.get(f"/quarantine/{one}/payload.bin").status_code == status
            planned = browser.post("/quarantine/preview", data={"id": every}).text
            assert ids_of(planned) == seen[::-1]
    with browser_of(kept.app, engine, "far", NOON_MS) as browser:
        assert "Messages put back: 0" in browser.post("/quarantine/replay", data={"id": every}).text
    assert kept.put_back() == []
    assert load_replayed(kept.folder / "quarantine") == {}


def test_the_quarantine_is_for_engineers(kept: Kept, engine: Engine) -> None:
    """It holds what devices sent of people."""
    for role in (Role.RESPONDER, Role.COORDINATOR, Role.CLINICIAN):
        add_user(engine, role.value, role)
        with browser_of(kept.app, engine, role.value, NOON_MS) as browser:
            assert browser.get("/quarantine").status_code == 403
            assert browser.post("/quarantine/replay", data={"id": kept.id_of("d-0001")}).status_code == 403


def test_a_replay_is_looked_at_first_and_then_goes_the_way_of_the_command(
    desk: TestClient, kept: Kept, engine: Engine
) -> None:
    """The preview changes nothing; what was put back is marked as a replay, in the order of its coming, once."""
    every = [one.id for one in list_entries(kept.folder / "quarantine")]
    preview = desk.post("/quarantine/preview", data={"id": every}).text
    said = text_of(preview)
    assert "Put 3 back" in said
    assert "only its beginning was kept" in said
    assert "can be taken now" in said
    assert "still cannot be taken" in said
    assert kept.put_back() == []
    chosen = re.findall(r'<input type="hidden" name="id" value="([^"]*)"', preview)
    assert chosen == [every[3], every[2], every[0]]
    answer = text_of(desk.post("/quarantine/replay", data={"id": chosen}).text)
    assert "Messages put back: 3" in answer
    sent = kept.put_back()
    assert [one.recv_ms for one in sent] == sorted(one.recv_ms for one in sent)
    assert {one.flags for one in sent} == {Flag.DUP | Flag.REPLAY}
    assert sent[0].payload == GOOD
    assert set(load_replayed(kept.folder / "quarantine")) == set(chosen)
    again = text_of(desk.post("/quarantine/replay", data={"id": chosen}).text)
    assert "Messages put back: 0" in again
    assert "was put back before" in again
    assert len(kept.put_back()) == 3
    assert "Also what was put back before" in desk.post("/quarantine/preview", data={"id": chosen}).text
    desk.post("/quarantine/replay", data={"id": chosen[:1], "again": "1"})
    assert len(kept.put_back()) == 4
    with engine.connect() as connection:
        rows = connection.execute(select(audit).where(audit.c.what == "replay").order_by(audit.c.id)).all()
    assert [(row.who, row.data["ids"]) for row in rows] == [("tech", chosen), ("tech", chosen[:1])]


def test_a_full_disk_says_what_was_put_back(desk: TestClient, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is lost."""

    def full(*_args: object, **_values: object) -> None:
        raise JournalFull(kept.folder, 0, 1)

    monkeypatch.setattr("console.quarantine.routes.replay", full)
    said = text_of(desk.post("/quarantine/replay", data={"id": kept.id_of("d-0002")}).text)
    assert "The disk is full" in said
    assert "Messages put back: 0" in said


def test_nothing_chosen_and_nothing_there_say_what_to_do(desk: TestClient, engine: Engine, clock: Clock) -> None:
    """Ids that are none are no ids of ours."""
    for ids in ([], ["nothing"], ["processor-999999-0"], ["../../etc-0-0"]):
        assert "tick the messages" in desk.post("/quarantine/preview", data={"id": ids}).text
        assert desk.post("/quarantine/replay", data={"id": ids}).status_code == 200
    assert desk.get("/quarantine/processor-999999-0").status_code == 404
    assert desk.get("/quarantine/..%2Fx-0-0").status_code == 404
    bare = create_app(engine, ConsoleSettings(link_key=LINK_KEY, login=False), now_ms=clock)
    with browser_of(bare, engine) as browser:
        assert "This console has no quarantine" in browser.get("/quarantine").text
        assert browser.post("/quarantine/replay", data={"id": ["processor-0-0"]}).status_code == 404


def test_a_long_quarantine_has_pages(desk: TestClient, kept: Kept) -> None:
    """Fifty at a time, newest first; the last page has the oldest."""
    quarantine = Quarantine(kept.folder / "quarantine", "gateway")
    for number in range(120):
        message = RawMessage(NOON_MS - number, Flag.NONE, b"care/v1/d-0003/vitals", b"{")
        quarantine.put(Reason.UNDECODABLE, "", message, "d-0003")
    quarantine.close()
    every = [one.id for one in list_entries(kept.folder / "quarantine", Filter(), limit=200)]
    pages = [ids_of(desk.get(f"/quarantine?page={page}").text) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 24, 0]
    assert [one for page in pages for one in page] == every
    assert 'rel="next"' not in desk.get("/quarantine?page=3").text
