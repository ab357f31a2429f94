"""``carecircle simulate``: devices that do not exist, against any broker."""

from __future__ import annotations

import asyncio
import csv
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from carecircle.cli.common import fail
from carecircle.cli.simulate_scenarios import check_or_show, print_digest, print_list, print_schema, write_folder

if TYPE_CHECKING:
    from carecircle.cli.simulate_show import Standing
    from firmware_sim.fleet import Fleet
    from firmware_sim.scenario import Scenario
    from firmware_sim.truth import Truth

#: Exit code of a run in which messages were published but not all of them reached the broker.
_INCOMPLETE = 3
#: Exit code of a run that was left by a second Ctrl-C.
_LEFT = 130


def simulate(
    scenario: Annotated[
        str | None,
        typer.Argument(help="A scenario file, or the name of one in the box: see --list.", show_default=False),
    ] = None,
    broker: Annotated[
        str,
        typer.Option(
            envvar="CARECIRCLE_SIMULATE_BROKER",
            help="mqtt://[user:password@]host[:port] or mqtts://...; {device} in user or password is the device's id.",
        ),
    ] = "mqtt://127.0.0.1:1883",
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Play this long; default: as the scenario says, or until Ctrl-C.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option("--run", help="Leave the scenario and the truth here, for `carecircle score`.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Write what really happened to this file (JSON).")] = None,
    source: Annotated[
        Literal["auto", "recordings", "synthetic"],
        typer.Option(help="Where motion comes from; auto: recordings where there are some."),
    ] = "auto",
    data: Annotated[
        Path, typer.Option(envvar="CARECIRCLE_DATA", help="Folder that has falls/ with the recordings.")
    ] = Path("../shared/data"),
    seed: Annotated[int | None, typer.Option(min=0, help="Instead of the scenario's seed.")] = None,
    start: Annotated[
        str | None, typer.Option(help="When it begins: 2026-03-01T08:00+08:00 or epoch milliseconds; default: now.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=1, max=100_000, help="So many times faster than real, published as history (hist)."),
    ] = None,
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
    registered: Annotated[
        bool, typer.Option("--registered", help="Of a drill: its devices are in the registry as test devices.")
    ] = False,
    on_broker_restart: Annotated[
        str | None,
        typer.Option(
            help="A command that restarts the broker and ends when it is back, for scenarios with that fault."
        ),
    ] = None,
    drain: Annotated[float, typer.Option(min=0, help="Seconds to get rid of what waits, at the end.")] = 15.0,
    list_: Annotated[bool, typer.Option("--list", help="Say which scenarios are in the box, and leave.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether SCENARIO is one, and leave.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print SCENARIO as YAML, and leave.")] = False,
    digest: Annotated[
        bool, typer.Option("--digest", help="Publish nothing: print hashes of messages and truth, to compare machines.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of scenarios, and leave.")] = False,
) -> None:
    """Simulate the devices of a scenario against a broker: wearers, buttons, falls and calls for help.

    Ctrl-C ends it cleanly: what waits is sent, open calls are repeated until acknowledged, and every device says
    goodbye. Once more leaves at once.
    """
    if list_:
        return print_list()
    if schema:
        return print_schema()
    if scenario is None:
        fail("name a scenario: a file, or one of the box (`carecircle simulate --list`)")
    from firmware_sim.errors import SimulationError
    from firmware_sim.scenario import load_scenario

    try:
        loaded = load_scenario(scenario)
        if check or show:
            return check_or_show(loaded, scenario, show=show)
        if district is not None:
            return write_folder(loaded, district, seed)
        if digest:
            return print_digest(loaded, source, data / "falls", seed=seed, start_ms=_instant(start), seconds=seconds)
        if loaded.drill and not registered:
            fail(
                f"{loaded.name} is a drill. A call of a device that the registry does not have is a real one, for the "
                f"district's desk: import what `carecircle simulate {scenario} --district DIR` writes, then say "
                "--registered"
            )
        _play(
            loaded, broker, ca, passwords, run_dir, truth,
            seconds=seconds, source=source, recordings=data / "falls", seed=seed, start_ms=_instant(start),
            speed=speed, drain_s=drain, on_broker_restart=on_broker_restart,
        )  # fmt: skip
    except (SimulationError, OSError) as error:
        fail(str(error))


def _play(
    scenario: Scenario,
    broker: str,
    ca: Path | None,
    passwords: Path | None,
    run_dir: Path | None,
    truth: Path | None,
    *,
    seconds: float | None,
    source: Literal["auto", "recordings", "synthetic"],
    recordings: Path,
    seed: int | None,
    start_ms: int | None,
    speed: float | None,
    drain_s: float,
    on_broker_restart: str | None,
) -> None:
    import uvloop

    from carecircle.cli.simulate_show import Standing, announce, summarise
    from carecircle.score import ScoreError
    from carecircle.score.folder import prepare, save_run
    from firmware_sim.clock import Clock
    from firmware_sim.errors import BrokerRefusedError
    from firmware_sim.faults.disturbance import by_command
    from firmware_sim.fleet import Fleet
    from firmware_sim.mqtt import BrokerAddress

    console = Console()
    try:
        if run_dir is not None:
            prepare(run_dir)
    except ScoreError as error:
        fail(str(error))
    address = BrokerAddress.from_url(broker, ca=ca, passwords={} if passwords is None else _read_passwords(passwords))
    _ = address.tls_context
    lasts_s = scenario.lasts_s if seconds is None else seconds
    pace = scenario.speed if speed is None else speed
    # a start of one's own is the devices' time from then on
    clock = None if start_ms is None or pace > 1 else Clock(start_ms=start_ms)
    with Standing(console, lasts_s) as standing:
        fleet = Fleet(
            scenario, address, seed=seed, source=source, recordings=recordings, start_ms=start_ms, speed=speed,
            clock=clock, on_progress=standing.update,
            on_broker_restart=None if on_broker_restart is None else by_command(on_broker_restart),
        )  # fmt: skip
        url = f"{'mqtts' if address.tls else 'mqtt'}://{address.host}:{address.port}"
        announce(console, scenario, fleet, url, lasts_s, pace)
        began_s = time.monotonic()
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                result = runner.run(_until_signal(fleet, seconds, drain_s, standing))
        except BrokerRefusedError as error:
            fail(f"{error}: log in by user:password in the URL or by --passwords FILE")
        except asyncio.CancelledError:
            fail("left at once: what waited was not sent, and there is no truth file", code=_LEFT)
    if truth is not None:
        result.save(truth)
    if run_dir is not None:
        save_run(run_dir, scenario, result)
    lost = summarise(console, result, fleet, time.monotonic() - began_s)
    if run_dir is not None:
        console.print(f"Now `carecircle score {run_dir}`", highlight=False, markup=False, soft_wrap=True)
    if lost:
        raise typer.Exit(_INCOMPLETE)


async def _until_signal(fleet: Fleet, seconds: float | None, drain_s: float, standing: Standing) -> Truth:
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(fleet.run(seconds, drain_s=drain_s), name="fleet")
    asked = False

    def end() -> None:
        nonlocal asked
        if asked:
            running.cancel()
            return
        asked = True
        standing.say(
            f"Ending: no new readings; what waits is sent and open calls are repeated, for {drain_s:g} s at most. "
            "Ctrl-C once more leaves at once."
        )
        fleet.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return await running


def _instant(text: str | None) -> int | None:
    """Epoch ms of what was said; local time where no zone is named."""
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        fail(f"--start {text!r} is neither 2026-03-01T08:00+08:00 nor epoch milliseconds")


def _read_passwords(path: Path) -> dict[str, str]:
    """The file that ``carecircle setup mosquitto`` writes: a row ``user,password`` for each device."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    wrong = next((n for n, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        fail(f"{path}: row {wrong} is not user,password")
    return {user: password for user, password in rows if user != "user"}
