"""What goes wrong beside a test of the whole system fails the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from journal import JournalWriter
from journal.offsets import OffsetFile, offset_path
from telemetry.records import pack_raw
from tests.e2e.system import System, wait_until

RESTORED_AT = 4096


@pytest.fixture
def system(tmp_path: Path) -> System:
    """Without roles, as if they had begun."""
    return idle(tmp_path)


def idle(folder: Path) -> System:
    """See system."""
    one = System(folder, [], broker_url="mqtt://127.0.0.1:1", webhook_url="http://127.0.0.1:1/", wanted=())
    one.settings.state_dir.mkdir(parents=True, exist_ok=True)
    (one.settings.state_dir / "gateway.subscribed").touch()
    (one.settings.journal_dir / "detections").mkdir(parents=True, exist_ok=True)
    return one


def writer_from(system: System, position: int) -> JournalWriter:
    """Of the journal `raw`, whose beginning is gone, or was never there."""
    raw = system.settings.journal_dir / "raw"
    raw.mkdir()
    OffsetFile(offset_path(raw, "processor"), first=position).close()
    return JournalWriter(raw, consumers=("processor",), reserve_bytes=0)


def write(raw: JournalWriter) -> None:
    raw.append([pack_raw(1, 0, b"care/v1/w/vitals", b"{}")])
    raw.commit()


def test_a_journal_that_cannot_be_followed_from_its_beginning_fails_the_block(system: System) -> None:
    """A test would believe that it knows everything that came."""

    def test() -> None:
        with system:
            with writer_from(system, RESTORED_AT) as raw:
                write(raw)
            wait_until(lambda: len(system.raw) == 1, 10, "what there is is followed")

    with pytest.raises(AssertionError, match=f"{RESTORED_AT} bytes of `raw`"):
        test()


def test_a_journal_that_was_restored_is_followed_from_where_it_goes_on(system: System, tmp_path: Path) -> None:
    """Nothing is missing there."""
    with writer_from(system, RESTORED_AT) as raw, idle(tmp_path) as restored:
        write(raw)
        wait_until(lambda: len(restored.raw) == 1, 10, "it is followed")


def test_a_supervisor_that_fails_fails_the_block_and_hides_no_other_failure(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test has found comes first, and the other with it."""
    monkeypatch.setattr(type(system.supervisor), "poll", lambda _: 1 / 0)

    def test() -> None:
        with system:
            wait_until(lambda: system._beside[0].done(), 10, "the supervisor has failed")
            raise LookupError("found by the test")

    with pytest.raises(LookupError, match="found by the test") as caught:
        test()
    assert any("ZeroDivisionError" in note for note in caught.value.__notes__)
