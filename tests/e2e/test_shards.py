"""The roles with the fall detector in two processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

import registry
from alerts import queries
from carecircle import roles
from carecircle.settings import Role, Settings
from carecircle.settings_groups import FallSettings
from carecircle.supervisor import Supervisor
from firmware_sim.district import write_district
from firmware_sim.motion import LSB_G
from firmware_sim.scenario import Member
from ingest.shards import shard_of
from journal import JournalReader, JournalWriter
from telemetry.codec import encode_motion
from telemetry.records import pack_raw
from tests.e2e.system import wait_until
from tests.ingest.clear_fall import FALL_S, SECONDS, clear_fall
from tests.servers.sink import SECRET, Sink

WEARERS = ("w-1", "w-4")


def shards_of(processor: int) -> list[int]:
    """The processes that look for falls for this one, in the order of their start."""
    children = Path(f"/proc/{processor}/task/{processor}/children").read_text().split()
    return [pid for pid in map(int, children) if b"ingest.shard_process" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.heavy
@pytest.mark.timeout(90)
def test_a_killed_shard_loses_no_fall_and_none_is_told_twice(tmp_path: Path, sink: Sink) -> None:
    """Both walk, a checkpoint; both fall, and a process dies. Started again, they go on; each fall is told once."""
    assert {shard_of(device, 2) for device in WEARERS} == {0, 1}
    settings = Settings(data_dir=tmp_path / "data", database_url="", falls=FallSettings(shards=2))
    engine = roles.prepare(settings)
    members = [Member(device, f"p-{device}", "wearable", "waist") for device in WEARERS]
    write_district(tmp_path / "district", members, webhook_url=sink.url("notify"), webhook_secret=SECRET)
    assert registry.import_folder(engine, tmp_path / "district").applied
    environment = {
        "CARECIRCLE_DATA_DIR": str(settings.data_dir),
        "CARECIRCLE_FALLS__SHARDS": "2",
        "CARECIRCLE_ALERTS__STEP_S": "3600",  # nobody acknowledges: a second message would be a wrong one
        "CARECIRCLE_ALERTS__REPEAT_S": "7200",
    }
    supervisor = Supervisor(log=tmp_path / "log", environment=environment)
    raw = JournalWriter(settings.journal_dir / "raw", consumers=("processor",), reserve_bytes=0)
    begin_ms = time.time_ns() // 1_000_000 - SECONDS * 1000
    stop = threading.Event()
    keeping = threading.Thread(target=supervisor.run, args=(stop,))

    def wear(first: int, end: int) -> None:
        for second in range(first, end):
            t_ms = begin_ms + second * 1000
            frame = encode_motion(t=t_ms, boot=7, seq=second, fs=50, lsb=LSB_G, acc=clear_fall()[second])
            raw.append([pack_raw(t_ms + 1050, 0, f"care/v1/{device}/motion".encode(), frame) for device in WEARERS])
        raw.commit()

    def is_taken() -> bool:
        saved = JournalReader(settings.journal_dir / "raw", "processor")
        saved.close()
        return saved.committed >= raw.position

    try:
        wear(0, FALL_S - 2)
        for role in (Role.PROCESSOR, Role.ALERTS):
            supervisor.add_role(role)
        keeping.start()
        wait_until(is_taken, 30, "the walk is in a checkpoint")
        before = supervisor.process_ids()[Role.PROCESSOR]
        first, second = shards_of(before)
        wear(FALL_S - 2, SECONDS)
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: len(sink.received) >= len(WEARERS), 30, "each fall is told")
        wait_until(is_taken, 30, "all is in a checkpoint")
        after = supervisor.process_ids()[Role.PROCESSOR]
        assert after != before, "the processor has ended with its shard"
        assert len(shards_of(after)) == 2
        wait_until(lambda: not Path(f"/proc/{first}").exists(), 10, "the other shard has ended too")
        time.sleep(1.0)  # long enough for a second message to show
        incidents = queries.open_incidents(engine, resolved_since_ms=0)
        assert Counter(incident.device for incident in incidents) == Counter(WEARERS)
        assert len(sink.received) == len(WEARERS)
        orphans = shards_of(after)
        os.kill(after, signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans), 10, "no shard is left alone")
    finally:
        stop.set()
        if keeping.ident is not None:
            keeping.join()
        raw.close()
        engine.dispose()
