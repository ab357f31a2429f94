"""What ``carecircle simulate`` does with scenarios without publishing anything."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer
from rich.console import Console
from rich.table import Table

from carecircle.cli.common import fail

if TYPE_CHECKING:
    from firmware_sim.scenario import Scenario


def print_list() -> None:
    """The scenarios of the box, each with the first sentence of its description."""
    from firmware_sim.scenario import in_the_box, load_scenario

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name in in_the_box():
        first, _, _ = load_scenario(name).description.strip().partition(". ")
        table.add_row(name, first.removesuffix(".") + ".")
    Console(highlight=False).print(table)


def print_schema() -> None:
    """The JSON Schema of scenarios."""
    from firmware_sim.scenario_schema import document

    typer.echo(document(), nl=False)


def check_or_show(scenario: Scenario, where: str, *, show: bool) -> None:
    """What a scenario amounts to in a line, or the whole of it as YAML."""
    from firmware_sim.scenario import plan
    from firmware_sim.scenario_schema import to_yaml

    if show:
        typer.echo(to_yaml(scenario), nl=False)
        return
    happens = plan(scenario, scenario.seed)
    typer.echo(
        f"{where}: {scenario.name}, {scenario.wearers.count} wearers, {scenario.buttons} buttons, "
        f"{len(happens.falls)} falls, {len(happens.sos)} calls for help"
    )


def print_digest(
    scenario: Scenario,
    source: Literal["auto", "recordings", "synthetic"],
    recordings: Path,
    *,
    seed: int | None,
    start_ms: int | None,
    seconds: float | None,
) -> None:
    """Hashes of the messages and the truth of a run that is not published."""
    from firmware_sim.digest import digest
    from firmware_sim.population import motion_source

    duration_s = scenario.lasts_s if seconds is None else seconds
    if duration_s is None or start_ms is None:
        fail("--digest needs --start, and --seconds where the scenario does not say how long it lasts")
    seed = scenario.seed if seed is None else seed
    motion = motion_source(source, seed, recordings, activities=scenario.wearers.activities)
    made = digest(scenario, motion, seed=seed, start_ms=start_ms, duration_s=duration_s)
    typer.echo(f"{scenario.name}: seed {seed}, motion: {motion.name}, start {start_ms}, {duration_s:g} s")
    typer.echo(f"messages {made.sha256} ({made.messages})")
    typer.echo(f"truth    {made.truth_sha256}")


def write_folder(scenario: Scenario, folder: Path, seed: int | None) -> None:
    """The registry folder of a scenario, and what to do with it."""
    import secrets

    from firmware_sim.district import write_district, write_drill
    from firmware_sim.scenario import members

    if scenario.drill:
        write_drill(folder, members(scenario))
        typer.echo(
            f"{folder}: import it with `carecircle registry import {folder}`, and give the channel of those who "
            "rehearse the role `test`"
        )
        return
    # nobody listens on port 9: responders are called, and are not reached
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    write_district(
        folder,
        members(scenario),
        webhook_url="http://127.0.0.1:9/",
        webhook_secret=secret,
        seed=scenario.seed if seed is None else seed,
        staff=scenario.staff,
        plan=scenario.district,
    )
    typer.echo(f"{folder}: import it with `carecircle registry import {folder}`")
