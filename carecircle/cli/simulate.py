"""``carecircle simulate``: devices that do not exist, against any broker."""

from __future__ import annotations

import asyncio
import base64
import csv
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from carecircle.cli.common import fail

if TYPE_CHECKING:
    from firmware_sim.fleet import Fleet, Progress
    from firmware_sim.truth import Truth

#: Exit code of a run in which messages were published but not all of them reached the broker.
_INCOMPLETE = 3


def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of one in the box: demo, quiet.")],
    broker: Annotated[
        str,
        typer.Option(
            envvar="CARECIRCLE_SIMULATE_BROKER",
            help="mqtt://[user:password@]host[:port] or mqtts://...; {device} in user or password is the device's id.",
        ),
    ] = "mqtt://127.0.0.1:1883",
    seconds: Annotated[float | None, typer.Option(min=1, help="Publish this long; default: until Ctrl-C.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what really happened to this file (JSON).")] = None,
    source: Annotated[
        Literal["auto", "recordings", "synthetic"],
        typer.Option(help="Where motion comes from; auto: recordings where there are some."),
    ] = "auto",
    data: Annotated[
        Path, typer.Option(envvar="CARECIRCLE_DATA", help="Folder that has falls/ with the recordings.")
    ] = Path("../shared/data"),
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the scenario's seed.")] = None,
    ca: Annotated[Path | None, typer.Option(help="Certificate authority of the broker, with mqtts://.")] = None,
    passwords: Annotated[
        Path | None,
        typer.Option(
            help="CSV file with a row user,password for each device, as `carecircle setup mosquitto` writes it."
        ),
    ] = None,
    district: Annotated[
        Path | None,
        typer.Option(help="Publish nothing: write the scenario's people and devices here, for `registry import`."),
    ] = None,
    drain: Annotated[float, typer.Option(min=0, help="Seconds to get rid of what waits, at the end.")] = 15.0,
) -> None:
    """Simulate the devices of a scenario against a broker: wearers, buttons, falls and calls for help.

    Ctrl-C ends it cleanly: what waits is sent, and every device says goodbye.
    """
    import uvloop

    from firmware_sim.errors import SimulationError
    from firmware_sim.fleet import Fleet
    from firmware_sim.mqtt import BrokerAddress
    from firmware_sim.scenario import load_scenario

    console = Console()
    if district is not None:
        _write_district(scenario, district, seed)
        return
    try:
        logins = {} if passwords is None else _read_passwords(passwords)
        address = BrokerAddress.from_url(broker, ca=ca, passwords=logins)
        _ = address.tls_context
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            fleet = Fleet(
                load_scenario(scenario),
                address,
                seed=seed,
                source=source,
                recordings=data / "falls",
                on_progress=lambda progress: live.update(_table(progress)),
            )
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                result = runner.run(_until_signal(fleet, seconds, drain))
    except (SimulationError, OSError) as error:
        fail(str(error))
    if truth is not None:
        result.save(truth)
    waiting = _summary(console, result, fleet)
    if waiting:
        raise typer.Exit(_INCOMPLETE)


def _write_district(scenario: str, folder: Path, seed: int | None) -> None:
    import secrets

    from firmware_sim.district import write_district
    from firmware_sim.errors import SimulationError
    from firmware_sim.scenario import load_scenario, members

    try:
        loaded = load_scenario(scenario)
        # nobody listens on port 9: responders are called, and are not reached
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        write_district(
            folder,
            members(loaded),
            webhook_url="http://127.0.0.1:9/",
            webhook_secret=secret,
            seed=loaded.seed if seed is None else seed,
            plan=loaded.district,
        )
    except (SimulationError, OSError) as error:
        fail(str(error))
    typer.echo(f"{folder}: import it with `carecircle registry import {folder}`")


async def _until_signal(fleet: Fleet, seconds: float | None, drain_s: float) -> Truth:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, fleet.stop)
    return await fleet.run(seconds, drain_s=drain_s)


def _table(progress: Progress) -> Table:
    table = Table(title=f"{progress.elapsed_s:.0f} s", title_justify="left", expand=False)
    for column in ("connected", "published", "per second", "waiting", "falls", "calls (open)"):
        table.add_column(column, justify="right")
    table.add_row(
        f"{progress.connected}/{progress.connections}",
        f"{progress.published}",
        f"{progress.rate:.0f}",
        f"{progress.backlog}",
        f"{progress.falls}",
        f"{progress.calls} ({progress.calls_open})",
    )
    if progress.problem:
        table.caption = progress.problem
    return table


def _summary(console: Console, truth: Truth, fleet: Fleet) -> int:
    """Say what happened; returns how many messages the broker never took."""
    waiting = sum(len(device.outbox.queue) for device in fleet.devices)
    dropped = sum(last - first + 1 for part in truth.published for first, last in part.dropped)
    acked = sum(press.acked_ms is not None for press in truth.sos)
    console.print(
        f"{truth.scenario}: {truth.devices} devices, motion: {truth.source}, seed {truth.seed}; "
        f"{truth.messages_published} messages published, {waiting} not sent, {dropped} dropped by full buffers; "
        f"{len(truth.falls)} falls, {len(truth.sos)} calls for help, {acked} acknowledged",
        highlight=False,
    )
    problem = fleet.problem
    if problem and waiting:
        console.print(f"last trouble: {problem}", highlight=False)
    return waiting + dropped


def _read_passwords(path: Path) -> dict[str, str]:
    """The file that ``carecircle setup mosquitto`` writes: a row ``user,password`` for each device."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    wrong = next((n for n, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        fail(f"{path}: row {wrong} is not user,password")
    return {user: password for user, password in rows if user != "user"}
