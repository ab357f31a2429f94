"""`carecircle demo`, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from carecircle.score import folder
from firmware_sim.scoring import match
from tests.servers.require import data_root

HAS_RECORDINGS = (data_root() / "falls").is_dir()


def demo(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run it, and read what it wrote; it exits non-zero when a message was lost or a fall or call missed."""
    environment = {
        **os.environ,
        "CARECIRCLE_DATA": str(data_root()),
        "CARECIRCLE_BROKER__URL": "mqtt://nowhere.invalid",
    }
    done = subprocess.run(
        [sys.executable, "-m", "carecircle", "demo", "--json", str(folder / "demo.json"), *arguments],
        env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "http://127.0.0.1:" in done.stdout
    assert "What happened, and what was found" in done.stdout
    summary: dict[str, Any] = json.loads((folder / "demo.json").read_text())
    return summary


def verify(summary: dict[str, Any]) -> None:
    """What the demo promises of every run of a minute."""
    assert summary["messages_lost"] == 0
    assert summary["messages_journaled"] >= summary["messages_published"] > 2_000
    assert summary["falls_detected"] == summary["falls_injected"] == 12
    assert summary["sos_found"] == summary["sos_pressed"] == 2
    assert summary["false_alarms"] <= 1
    assert summary["notified"] == summary["incidents"] >= 12
    assert summary["acknowledged"] == (summary["incidents"] + 1) // 2, "every second one is answered"
    assert summary["escalated"] >= summary["incidents"] - summary["acknowledged"]
    assert summary["impact_to_notified_s"]["p95"] <= 4.5
    assert summary["press_to_notified_s"]["p95"] <= 1.0
    rows = {row["kind"]: row for row in summary["kinds"]}
    assert (rows["fall"]["happened"], rows["sos"]["happened"]) == (12, 2)
    assert sum(row["missed"] + row["late"] + row["delayed"] + row["duplicate"] for row in rows.values()) == 0


@pytest.mark.heavy
@pytest.mark.parametrize(
    "source",
    [
        "recordings",
        # where there are recordings they are the harder case, and one minute of the test run is enough
        pytest.param("synthetic", marks=[pytest.mark.soak] if HAS_RECORDINGS else []),
    ],
)
def test_a_minute_of_the_demo_finds_every_fall_and_call_and_loses_nothing(tmp_path: Path, source: str) -> None:
    """Twelve falls and two calls among forty wearers; settings of a real system in the environment do not matter."""
    if source == "recordings" and not HAS_RECORDINGS:
        pytest.skip(f"no recordings in {data_root()}: set CARECIRCLE_DATA to the folder that has falls/")
    summary = demo(tmp_path, "--seconds", "60", "--source", source, "--run", str(tmp_path / "run"))
    assert summary["source"] == source
    verify(summary)
    played = folder.load_truth(tmp_path / "run")
    again = match(played, folder.load_found(tmp_path / "run" / folder.INCIDENTS))
    assert msgspec.to_builtins(again.kinds) == summary["kinds"], "what was left in the folder scores the same"
