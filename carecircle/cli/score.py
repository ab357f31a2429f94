"""`carecircle score`: what was found of a simulated run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from carecircle.cli.common import SettingsOption, fail, load_settings

if TYPE_CHECKING:
    from firmware_sim.scoring import Found
    from firmware_sim.scoring_quarantine import Quarantined
    from firmware_sim.truth import Truth


def score(
    run: Annotated[
        Path, typer.Argument(help="The folder that `carecircle simulate ... --run DIR` wrote, or a truth file.")
    ],
    database: Annotated[
        str | None, typer.Option(help="Database of registry and incidents of the system that was tested (URL).")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Its data_dir, with the quarantine and, without --database, the database.")
    ] = None,
    incidents: Annotated[
        Path | None, typer.Option(help="Its findings as a CSV or JSON file, of whatever system.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the score to this file.")] = None,
    export: Annotated[
        bool, typer.Option("--export", help="Keep what was found in RUN, so that it can be scored elsewhere.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when something was missed.")] = False,
    settings: SettingsOption = None,
) -> None:
    """Compare what a system found with what really happened: found, missed, false, late, twice, and how fast.

    Without options it reads what was exported into RUN, else the database and the quarantine of this machine's
    settings.
    """
    from carecircle.score import folder, table
    from carecircle.score.errors import ScoreError
    from firmware_sim.scoring import match

    if export and not run.is_dir():
        fail(f"--export writes into the folder of a run, and {run} is none")
    try:
        truth = folder.load_truth(run)
        if incidents is not None:
            found, refused = folder.load_found(incidents), None
        elif database is None and data_dir is None and (run / folder.INCIDENTS).is_file():
            found, refused = folder.load_found(run / folder.INCIDENTS), folder.load_refused(run / folder.QUARANTINE)
        else:
            found, refused = _of_system(truth, database, data_dir, settings)
        result = match(truth, found, refused)
        if export:
            folder.save_found(run, found, refused)
        if json_file is not None:
            folder.save_score(json_file, result)
    except (ScoreError, OSError) as error:
        fail(str(error))
    console = Console()
    seconds = (truth.end_ms - truth.start_ms) / 1000
    console.print(
        f"{truth.scenario}: {truth.devices} devices for {seconds:.0f} s, motion: {truth.source}, seed {truth.seed}",
        highlight=False,
    )
    table.show(console, result, truth)
    if strict and not result.is_complete:
        raise typer.Exit(1)


def _of_system(
    truth: Truth, database: str | None, data_dir: Path | None, settings: Path | None
) -> tuple[list[Found], list[Quarantined] | None]:
    """From the database named, else the one in ``data_dir``, else that of the settings; the quarantine beside it."""
    import registry
    from carecircle.score import collect

    loaded = load_settings(settings)
    if data_dir is not None:
        loaded = loaded.model_copy(update={"data_dir": data_dir, "database_url": ""})
    url = database or loaded.resolved_database_url()
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).is_file():
        fail(f"there is no database {path}: name that of the system with --database, --data-dir or --settings")
    try:
        engine = registry.create_engine(url)
    except registry.RegistryError as error:
        fail(str(error))
    try:
        found = collect.reported(engine, truth)
    finally:
        engine.dispose()
    beside = loaded.quarantine_dir if database is None or data_dir is not None else None
    return found, None if beside is None or not beside.is_dir() else collect.quarantined(beside, truth)
