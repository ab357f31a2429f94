"""What could not be taken is kept with its reason, within bounds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from journal.entry import BadEntryIdError, BadStageError, EntryNotFoundError
from journal.explain import explain, hexdump
from journal.quarantine import Filter, Quarantine, get_entry, list_entries, read_tally, stages
from journal.quota import DeviceQuota
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage
from tests.journal.helpers import segment_names

NOW_MS = 1_780_000_000_000
DAY_MS = 86_400_000


def message(payload: bytes = b"{}", *, at_ms: int = NOW_MS, topic: bytes = b"care/v1/w-1/vitals") -> RawMessage:
    """A message as the gateway took it."""
    return RawMessage(at_ms, Flag.DUP, topic, payload)


def test_an_entry_keeps_the_message_and_the_reason(tmp_path: Path) -> None:
    """Everything that a device maker needs, and what a replay needs."""
    quarantine = Quarantine(tmp_path, "processor")
    quarantine.put(Reason.INVALID, "hr is 9999", message(b'{"hr":9999}'), "w-1")
    assert list_entries(tmp_path) == [], "not before the commit"
    quarantine.commit()
    (entry,) = list_entries(tmp_path)
    assert (entry.stage, entry.reason, entry.detail, entry.device) == ("processor", "invalid", "hr is 9999", "w-1")
    assert (entry.recv_ms, entry.flags, entry.topic) == (NOW_MS, Flag.DUP, b"care/v1/w-1/vitals")
    assert (entry.payload, entry.size, entry.is_cut, entry.obstacle) == (b'{"hr":9999}', 11, False, None)
    assert entry == get_entry(tmp_path, entry.id)
    quarantine.close()


def test_a_large_payload_is_cut_with_its_true_size_and_checksum(tmp_path: Path) -> None:
    """10 MB sent by a broken device are 64 KiB here."""
    payload = bytes(range(256)) * 40_000
    quarantine = Quarantine(tmp_path, "gateway")
    quarantine.put(Reason.TOO_LARGE, "too large", message(payload), "w-1")
    quarantine.close()
    (entry,) = list_entries(tmp_path)
    assert entry.payload == payload[: 64 << 10]
    assert (entry.size, entry.sha256) == (len(payload), hashlib.sha256(payload).hexdigest())
    assert entry.obstacle == "only the first 65,536 of 10,240,000 bytes were kept"
    assert not explain(entry).accepted


def test_a_device_over_its_quota_is_only_counted_and_the_others_are_kept(tmp_path: Path) -> None:
    """And after a day it has its quota again."""
    quarantine = Quarantine(tmp_path, "processor", device_quota_bytes=10_000)
    for _ in range(50):
        quarantine.put(Reason.UNDECODABLE, "", message(bytes(900)), "broken")
    quarantine.put(Reason.UNDECODABLE, "", message(bytes(900)), "fine")
    quarantine.put(Reason.BAD_TOPIC, "", message(bytes(900)), None)
    quarantine.commit()
    entries = list_entries(tmp_path)
    assert [entry.device for entry in entries].count("broken") == 10
    assert {entry.device for entry in entries} == {"broken", "fine", None}
    assert quarantine.counts() == {"undecodable": 51, "bad_topic": 1}
    for _ in range(50):
        quarantine.put(Reason.UNDECODABLE, "", message(bytes(900), at_ms=NOW_MS + DAY_MS), "broken")
    quarantine.commit()
    assert len(list_entries(tmp_path, Filter(device="broken"))) == 20
    quarantine.close()


def test_counts_and_quotas_outlive_a_restart(tmp_path: Path) -> None:
    """Also the counts of messages that were not kept."""
    for total in (50, 100):
        quarantine = Quarantine(tmp_path, "processor", device_quota_bytes=10_000)
        for _ in range(50):
            quarantine.put(Reason.UNDECODABLE, "", message(bytes(900)), "broken")
        quarantine.commit()
        assert quarantine.counts() == {"undecodable": total}
        quarantine.close()
        assert len(list_entries(tmp_path)) == 10
    assert (read_tally(tmp_path, "processor").kept, read_tally(tmp_path, "processor").counted) == (
        {"undecodable": 10},
        {"undecodable": 90},
    )


def test_a_flood_of_counted_messages_writes_little(tmp_path: Path) -> None:
    """The counts alone go to the disk every ten seconds."""
    quarantine = Quarantine(tmp_path, "processor", device_quota_bytes=1)
    for number in range(10_000):
        quarantine.put(Reason.UNDECODABLE, "", message(b"x", at_ms=NOW_MS + number * 10), "broken")
        quarantine.commit()
    assert sum(path.stat().st_size for path in (tmp_path / "processor").glob("*.seg")) < 3000
    assert read_tally(tmp_path, "processor").total()["undecodable"] > 8_000
    quarantine.close()
    assert read_tally(tmp_path, "processor").total() == {"undecodable": 10_000}


def test_the_oldest_entries_go_when_the_whole_is_too_large(tmp_path: Path) -> None:
    """Many devices, each within its quota."""
    quarantine = Quarantine(tmp_path, "processor", total_bytes=160_000)
    for number in range(1000):
        quarantine.put(Reason.INVALID, str(number), message(bytes(900)), f"w-{number}")
        quarantine.commit()
    quarantine.close()
    kept = list_entries(tmp_path, limit=1000)
    assert sum(path.stat().st_size for path in (tmp_path / "processor").glob("*.seg")) <= 160_000 + 2000
    assert [entry.detail for entry in kept] == [str(n) for n in range(999, 999 - len(kept), -1)]
    assert 100 < len(kept) < 160
    with pytest.raises(EntryNotFoundError, match="processor-0-0"):
        get_entry(tmp_path, "processor-0-0")
    assert read_tally(tmp_path, "processor").kept == {"invalid": 1000}


def test_entries_are_found_by_stage_reason_device_and_time(tmp_path: Path) -> None:
    """The newest first, over all stages."""
    for stage in ("gateway", "processor"):
        quarantine = Quarantine(tmp_path, stage)
        for number in range(6):
            reason = (Reason.INVALID, Reason.CONFLICT)[number % 2]
            quarantine.put(reason, f"{stage} {number}", message(at_ms=NOW_MS + number * 1000), f"w-{number // 2}")
            if number % 3 == 0:
                quarantine.commit()
        quarantine.close()

    def found(wanted: Filter, limit: int = 100) -> list[str]:
        return [entry.detail for entry in list_entries(tmp_path, wanted, limit=limit)]

    assert stages(tmp_path) == ["gateway", "processor"]
    assert found(Filter(stage="gateway")) == [f"gateway {n}" for n in (5, 4, 3, 2, 1, 0)]
    assert sorted(found(Filter(), limit=4)) == ["gateway 4", "gateway 5", "processor 4", "processor 5"]
    assert found(Filter(stage="processor", reason="conflict", device="w-1")) == ["processor 3"]
    assert found(Filter(stage="gateway", since_ms=NOW_MS + 4000)) == ["gateway 5", "gateway 4"]
    assert found(Filter(reason="invalid", device="nobody")) == []


def test_nothing_there_is_nothing_listed(tmp_path: Path) -> None:
    """Before any stage has run."""
    assert list_entries(tmp_path / "quarantine") == []
    assert stages(tmp_path / "quarantine") == []


@pytest.mark.parametrize(
    "text", ["", "processor", "processor-1", "-1-2", "../x-1-2", "processor-1-2-3", "processor-a-0"]
)
def test_an_id_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """It never becomes a path."""
    with pytest.raises(BadEntryIdError, match="quarantine list"):
        get_entry(tmp_path, text)


def test_a_stage_that_could_leave_the_folder_is_refused(tmp_path: Path) -> None:
    """When writing and when reading."""
    with pytest.raises(BadStageError):
        Quarantine(tmp_path, "../elsewhere")
    with pytest.raises(BadStageError):
        list_entries(tmp_path, Filter(stage="../elsewhere"))


def test_a_full_disk_does_not_stop_the_stage(small_disk: Path) -> None:
    """Entries wait in memory up to a bound, the rest is counted; when there is room they arrive."""
    quarantine = Quarantine(small_disk, "processor")
    quarantine.put(Reason.INVALID, "before", message(), "w-0")
    assert quarantine.commit()
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:  # noqa: PT012
        while file.write(bytes(4096)):
            pass
    for number in range(3000):
        quarantine.put(Reason.INVALID, str(number), message(bytes(1000)), f"w-{number}")
        assert not quarantine.commit() or number < 5
    assert quarantine.counts() == {"invalid": 3001}
    filler.unlink()
    quarantine.close()
    kept = list_entries(small_disk, limit=5000)
    assert 800 < len(kept) < 1000
    tally = read_tally(small_disk, "processor")
    assert (tally.kept["invalid"], tally.total()) == (len(kept), {"invalid": 3001})


def test_a_trickle_of_bad_input_stays_in_few_files(tmp_path: Path) -> None:
    """Restarts included: only a segment that has something is followed by another."""
    for number in range(5):
        quarantine = Quarantine(tmp_path, "processor")
        if number == 0:
            quarantine.put(Reason.INVALID, "", message(), "w-1")
        quarantine.close()
    assert len(segment_names(tmp_path / "processor")) == 2


def test_the_quota_is_given_back_evenly() -> None:
    """Half of it after half the time, whatever the clock does in between."""
    quota = DeviceQuota(1000, window_s=100.0)
    assert quota.take("a", 1000, 0)
    assert not quota.take("a", 400, 0)
    assert not quota.take("a", 400, 39_000)
    assert quota.take("a", 400, 41_000)
    assert not quota.take("a", 400, 1_000), "a clock that goes back gives nothing"
    assert quota.take("b", 5000, 0), "one entry is always kept"
    assert not quota.take("b", 1, 100_000)
    assert quota.take("c", 1000, 50_000)
    assert not quota.take("c", 1, 0)
    assert quota.take("c", 400, 41_000), "and takes nothing either"


@pytest.mark.parametrize(
    ("topic", "payload", "accepted", "said", "content"),
    [
        (b"care/v1/w-1/vitals", b'{"t":1,"boot":2,"seq":3,"hr":70}', True, "decodes as vitals of w-1", ("hr", 70.0)),
        (b"care/v1/w-1/vitals", b'{"t":1,"boot":2,"seq":3,"hr":9999}', False, "invalid: ", ("hr", 9999)),
        (b"care/v1/w-1/vitals", b"\x81\xa1x\xc4\x02\x00\x01", False, "invalid: ", ("x", "2 bytes: 00 01")),
        (b"care/v1/w-1/vitals", b"\x81\xa1x\xcb\x7f\xf8\0\0\0\0\0\0", False, "invalid: ", ("x", "nan")),
        (b"care/v1/w-1/vitals", b"\x81", False, "undecodable: ", None),
        (b"elsewhere", b'{"a":[1]}', False, "bad_topic: ", ("a", "[1]")),
    ],
)
def test_an_entry_is_explained_as_it_would_be_decoded_now(
    tmp_path: Path, topic: bytes, payload: bytes, accepted: bool, said: str, content: tuple[str, object] | None
) -> None:
    """With its fields, as far as they can be read at all."""
    quarantine = Quarantine(tmp_path, "processor")
    quarantine.put(Reason.INTERNAL, "", message(payload, topic=topic), "w-1")
    quarantine.close()
    now = explain(list_entries(tmp_path)[0])
    assert now.accepted == accepted
    assert now.verdict.startswith(said)
    assert now.content is None if content is None else (now.content or {})[content[0]] == content[1]


def test_a_hexdump_shows_offset_bytes_and_text() -> None:
    """Sixteen bytes a line, cut at the limit."""
    assert hexdump(b"care\x00\xff" + bytes(20), 18) == [
        "00000000  63 61 72 65 00 ff 00 00 00 00 00 00 00 00 00 00  care............",
        "00000010  00 00                                            ..",
    ]
