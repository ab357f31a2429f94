"""The scenarios that come with the package, their schema, and that the same run is made again anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from carecircle.cli import app
from firmware_sim.digest import digest
from firmware_sim.errors import SimulationError
from firmware_sim.faults.cast import Faults
from firmware_sim.fleet import Fleet
from firmware_sim.mqtt import BrokerAddress
from firmware_sim.population import build_devices
from firmware_sim.scenario import Scenario, Spread, in_the_box, load_scenario, members, parse_scenario
from firmware_sim.scenario_schema import FILE, document, main, scenario_schema, to_yaml
from firmware_sim.synthetic import Synthetic

ROOT = Path(__file__).parents[2]
T = 1_790_000_000_000


def small(scenario: Scenario) -> Scenario:
    """The same with a few devices."""
    most = 12
    changed = {
        "wearers": msgspec.structs.replace(scenario.wearers, count=min(most, scenario.wearers.count)),
        "buttons": min(6, scenario.buttons),
    }
    for name in ("falls", "sos"):
        plan = getattr(scenario, name)
        if isinstance(plan, Spread):
            changed[name] = msgspec.structs.replace(plan, count=min(2, plan.count))
    if scenario.homes is not None:
        changed["homes"] = msgspec.structs.replace(scenario.homes, count=min(4, scenario.homes.count))
    return msgspec.structs.replace(scenario, **changed)


@pytest.mark.parametrize("name", in_the_box())
def test_a_scenario_of_the_box_loads_says_what_it_is_and_runs(name: str) -> None:
    """A few of its devices for a few seconds: each says something, as YAML it is the same scenario."""
    scenario = load_scenario(name)
    assert scenario.name == name
    assert re.match(r".{20,}?\.( |$)", scenario.description.strip(), re.DOTALL)
    assert parse_scenario(to_yaml(scenario), name) == scenario
    jsonschema.Draft202012Validator(scenario_schema()).validate(yaml.safe_load(to_yaml(scenario)))
    assert "utc_offset_h" not in to_yaml(scenario), "what is the default is not said"
    few = small(scenario)
    made = digest(few, Synthetic(1), seed=1, start_ms=T, duration_s=900 if few.wearers.motion == "none" else 6)
    assert made.messages >= few.wearers.count
    assert made.truth.devices == len(members(few))


def test_the_schema_that_is_committed_is_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise: python -m firmware_sim.scenario_schema --write."""
    assert main(["--check", "--docs", str(ROOT / "docs")]) == 0
    assert main(["--check", "--docs", str(tmp_path)]) == 1
    assert "is stale: run python -m firmware_sim.scenario_schema --write" in capsys.readouterr().err
    assert main(["--write", "--docs", str(tmp_path)]) == 0
    assert main(["--check", "--docs", str(tmp_path)]) == 0
    assert json.loads((tmp_path / FILE).read_text())["required"] == ["name", "wearers"]


@pytest.mark.parametrize(
    "text", ["{name: t}", "{name: t, wearers: {count: -1}}", "{name: t, wearers: {count: 1}, sped: 2}"]
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    """An editor marks the same mistakes."""
    with pytest.raises(SimulationError):
        parse_scenario(text, "t")
    assert not jsonschema.Draft202012Validator(scenario_schema()).is_valid(yaml.safe_load(text))


EVERYTHING = """\
name: everything
wearers: {count: 10, answers_prompts: true}
buttons: 4
falls: {count: 3, between_s: [6, 20]}
sos: {count: 2, between_s: [2, 20]}
vitals: {every_s: 5}
people: {}
homes: {count: 3, second: 0.5, pets: 0.5, troubles: {smoke: {count: 1, between_s: [1, 10]}}}
illness: {speed: 1000, courses: {sepsis: {count: 1, between_s: [1, 10]}}}
faults:
  - {kind: link_loss, share: 0.3, between_s: [2, 20], outage_s: 4}
  - {kind: duplicates, share: 0.3, of_messages: 0.2}
  - {kind: clock_skew, share: 0.3}
  - {kind: restart, count: 1, between_s: [3, 20]}
  - {kind: bad_messages, count: 3, of_messages: 0.2}
  - {kind: power_cut, street: 2, between_s: [5, 15]}
lasts_s: 25
"""


def test_the_same_seed_source_and_start_make_the_same_run_in_any_process(tmp_path: Path) -> None:
    """Messages and truth, with homes, illness and faults, whatever the order of hashes; another seed another run."""
    (tmp_path / "everything.yaml").write_text(EVERYTHING)
    command = [sys.executable, "-m", "carecircle", "simulate", str(tmp_path / "everything.yaml"), "--digest"]
    command += ["--source", "synthetic", "--start", str(T)]
    runs = [
        subprocess.Popen(
            [*command, "--seed", "7"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONHASHSEED": order},
        ) for order in ("1", "2")
    ]  # fmt: skip
    everything = parse_scenario(EVERYTHING, "t")
    made, other = (digest(everything, Synthetic(seed), seed=seed, start_ms=T, duration_s=25) for seed in (7, 8))
    for run in runs:
        said = [line.split() for line in run.communicate(timeout=60)[0].splitlines()]
        assert [line[0] for line in said] == ["everything:", "messages", "truth"]
        assert (said[1][1], said[2][1]) == (made.sha256, made.truth_sha256)
    assert (made.sha256 != other.sha256, made.truth_sha256 != other.truth_sha256) == (True, True)
    assert len(made.truth.falls) == 3
    assert {one.kind for one in made.truth.faults} >= {"link_loss", "power_cut", "restart"}
    assert {one.kind for one in made.truth.happenings} >= {"smoke", "area_offline"}


def test_what_the_command_says_of_scenarios() -> None:
    """The list has every name, a check counts, a drill is not played by accident."""
    run = CliRunner()
    listed = run.invoke(app, ["simulate", "--list"]).output
    assert [line.split()[0] for line in listed.splitlines() if line[0] != " "] == in_the_box()
    assert "40 wearers, 8 buttons, 12 falls, 2 calls" in run.invoke(app, ["simulate", "demo", "--check"]).output
    assert parse_scenario(run.invoke(app, ["simulate", "storm", "--show"]).output, "t") == load_scenario("storm")
    assert run.invoke(app, ["simulate", "--schema"]).output == document()
    refused = run.invoke(app, ["simulate", "rehearsal", "--broker", "mqtt://127.0.0.1:9"])
    assert refused.exit_code == 2
    assert "say --registered" in " ".join(refused.output.split())


def test_a_drill_names_devices_of_its_own_and_enters_them_as_test_devices(tmp_path: Path) -> None:
    """None can be taken for one that somebody wears."""
    done = CliRunner().invoke(app, ["simulate", "rehearsal", "--district", str(tmp_path)])
    assert done.exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["devices.csv"]
    head, *rows = (line.split(",") for line in (tmp_path / "devices.csv").read_text().splitlines())
    entered = [dict(zip(head, row, strict=True)) for row in rows]
    assert {row["kind"] for row in entered} == {"test"}
    assert "person" not in head
    assert [row["id"] for row in entered] == [member.device for member in members(load_scenario("rehearsal"))]
    assert all(row["id"].startswith("drill-") for row in entered)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wearers: {count: 2, motion: pool}", "for real time only, not for speed 50"),
        ("wearers: {count: 2}, homes: {count: 1, output: zigbee2mqtt}", "has the time of its arrival"),
        ("wearers: {count: 2}", "lasts_s"),
    ],
)
def test_what_cannot_be_history_is_said(text: str, said: str) -> None:
    """Before anything is published."""
    scenario = parse_scenario(f"{{name: t, {text}}}", "t")
    with pytest.raises(SimulationError, match=said):
        Fleet(scenario, BrokerAddress("127.0.0.1", 9), source="synthetic", speed=50)._begin_ms(None)


def test_a_power_cut_is_due_once_and_for_nobody_alone() -> None:
    """Of the dark street the one finding, by when it can be told; its devices' silence is explained."""
    storm = load_scenario("storm")
    devices = build_devices(small(storm), Synthetic(1), 1, T)
    faults = Faults(storm.faults, devices, seed=1, start_ms=T, own_links=True)
    (area,) = [one for one in faults.record.happenings if one.kind == "area_offline"]
    assert (area.device, area.person) == (None, None)
    assert area.due_ms is not None
    assert T + 60_000 + 150_000 <= area.due_ms <= T + 330_000
    silent = [one for one in faults.record.happenings if one.kind == "offline"]
    assert {one.due_ms for one in silent} == {None}
    dark = {"p-00001", "p-00002", "p-00005", "p-00006", "p-00009", "p-00010"}
    assert {one.device for one in silent} == {device.id for device in devices if device.person in dark}
    with pytest.raises(SimulationError, match="power cut"):
        parse_scenario(
            "{name: t, wearers: {count: 9}, faults: [{kind: power_cut, between_s: [1, 2]}], "
            "district: {streets: 1, stations: 1, providers: 1, staff: 1}}",
            "t",
        )
