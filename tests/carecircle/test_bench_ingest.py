"""What `carecircle bench` makes of its figures: one result, goals beside it, pictures. Nothing here is measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bench import ingest, ingest_plot, part_plots, through_mosquitto
from bench.whole_path import Motion, device_name
from carecircle.cli.bench import app
from telemetry.codec import decode_motion

_STREAM = {
    "ours_per_cpu_s": 800_000, "ours_per_s": 300_000, "paho_per_cpu_s": 50_000, "paho_per_s": 40_000,
    "aiomqtt_per_cpu_s": 25_000, "aiomqtt_per_s": 20_000, "ratio_to_paho": 16.0, "ratio_to_aiomqtt": 32.0,
    "rounds": [16.0],
}  # fmt: skip


def costs(processor_us: float) -> dict[str, Any]:
    """Of a frame, as `bench.whole_path.measure` gives it."""
    rate = round(1e6 / (processor_us + 0.25))
    return {"us_per_frame": {"processor": processor_us, "writer": 0.25}, "frames_per_cpu_s": rate}


def result(*, sub: bool = True) -> dict[str, Any]:
    """A whole result, of parts as they give it."""
    devices = {"1000": costs(8.5), "5000": costs(4.5), "18000": costs(2.5), "50000": costs(3.5)}
    path = {
        "devices": devices,
        "flatness": {"1000": 3.18, "5000": 1.73, "18000": 1.0, "50000": 1.36},
        "flat_out": {"frames_per_cpu_s": 400_000},
        "shares_pct": {"fall_bank": 46.0},
    }
    took: list[tuple[float, float | None]] = [(2.0, 1.0), (1.0, 0.9), (1.0, 1.1)]
    queue = through_mosquitto.summed_up(90_000, took if sub else [(ours_s, None) for ours_s, _ in took])
    return ingest.composed({"motion": {**_STREAM}, "vitals": {**_STREAM}}, path, queue, None)


def test_the_whole_path_is_gateway_processor_and_writer_together() -> None:
    """CPU seconds of a frame are added up, those of the gateway from the fire-hose; 18,000 devices are the district."""
    whole = result()["whole_path"]
    assert whole["us_per_frame"] == {"gateway": 1.25, "processor": 2.5, "writer": 0.25}
    assert whole["frames_per_cpu_s"] == 250_000
    assert {n: one["frames_per_cpu_s"] for n, one in whole["devices"].items()} == {
        "1000": 100_000, "5000": 166_667, "18000": 250_000, "50000": 200_000,
    }  # fmt: skip
    assert whole["spread"] == 2.5
    assert whole["growth"] == 1.25


def test_rounds_through_the_broker_are_compared_each_with_its_neighbour() -> None:
    """The ratio is the median of the rounds' ratios: what slows a whole round down does not count."""
    queue = result()["mosquitto"]
    assert queue["ours_per_s"] == 90_000
    assert queue["mosquitto_sub_per_s"] == 90_000
    assert queue["rounds"]["ratio"] == [0.5, 0.9, 1.1]
    assert queue["ratio"] == 0.9


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        (lambda _: None, ["goal", "goal", "goal", "missed", "floor"]),
        (
            lambda r: r["firehose"]["motion"].update(ratio_to_paho=2.9),
            ["missed", "goal", "goal", "missed", "floor"],
        ),
        (
            lambda r: r["whole_path"].update(frames_per_cpu_s=199_999, spread=1.9),
            ["goal", "goal", "floor", "floor", "floor"],
        ),
        (
            lambda r: r["mosquitto"].update(ratio=None),
            ["goal", "goal", "goal", "missed", "not measured"],
        ),
    ],
    ids=["as it is", "below the floor", "between", "not there"],
)
def test_each_figure_is_held_against_its_goal(change: Callable[[dict[str, Any]], None], verdicts: list[str]) -> None:
    """A ratio must be large, a spread small; what was not measured is said."""
    found = result()
    change(found)
    assert [goal.verdict(found)[1] for goal in ingest.GOALS] == verdicts


def test_bench_ingest_writes_what_it_promises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON has the keys that others read, the table the goals; without mosquitto_sub the rest is there."""
    monkeypatch.setattr(ingest, "run", lambda **_: result(sub=False))
    target, plot = tmp_path / "new" / "bench.json", tmp_path / "new" / "bench.png"
    done = CliRunner().invoke(app, ["ingest", "--quick", "--json", str(target), "--plot", str(plot)])
    assert done.exit_code == 0, done.output
    found = json.loads(target.read_text())
    for stream in ("motion", "vitals"):
        assert found["firehose"][stream].keys() >= {"ours_per_cpu_s", "paho_per_cpu_s", "ratio_to_paho"}
    assert found["whole_path"]["frames_per_cpu_s"] == 250_000
    assert found["mosquitto"].keys() >= {"ours_per_s", "mosquitto_sub_per_s", "ratio"}
    assert found["mosquitto"]["ratio"] is None
    assert "not measured" in done.output
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_bench_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line and exit status 1, no traceback."""

    def run(**_: object) -> dict[str, Any]:
        raise ingest.BenchError("the processor took 5 of 9 frames")

    monkeypatch.setattr(ingest, "run", run)
    done = CliRunner().invoke(app, ["ingest"])
    assert done.exit_code == 1
    assert "the processor took 5 of 9 frames" in done.output
    assert not done.exception or isinstance(done.exception, SystemExit)


def test_every_result_can_be_drawn(tmp_path: Path) -> None:
    """With all parts, and where a server was not installed."""
    ingest_plot.draw(result(), tmp_path / "ingest.png")
    detect = {"devices": 18_000, "by_triggers": {"0": {"core_share": 0.01}, "60": {"core_share": 0.07}}}
    part_plots.draw_detect(detect, tmp_path / "detect.png")
    reads = {"points_per_s": 375_000.0, "day_to_500_points_ms": 2.7, "latest_of_all_devices_ms": 0.1}
    store = {"building": {"lines_per_s": 315_000.0}, "sqlite": reads, "influxdb": "not measured: not installed"}
    part_plots.draw_store(store, tmp_path / "store.png")
    for name in ("ingest", "detect", "store"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_published_is_a_frame_of_each_wearer() -> None:
    """Prepared packets are PUBLISH packets of QoS 1, and their payloads what a device would send."""
    packets = through_mosquitto._packets(Motion(gyroscope=True, triggers_per_hour=60, seed=0), 5, 3, 1_790_000_000_000)
    assert len(packets) == 5
    for i, packet in enumerate(packets):
        data = packet.tobytes()
        assert data[0] == 0x32
        assert (data[1] & 0x7F) + (data[2] << 7) == len(data) - 3
        name = f"care/v1/{device_name(i)}/motion".encode()
        assert data[3:5] == len(name).to_bytes(2, "big")
        assert data[5 : 5 + len(name)] == name
        assert int.from_bytes(data[5 + len(name) : 7 + len(name)], "big") == 3 * 5 + i + 1
        frame = decode_motion(data[7 + len(name) :])
        assert (frame.t, frame.seq) == (1_790_000_003_000 + i * 200, 3)
        assert frame.acc_g().shape == (50, 3)
