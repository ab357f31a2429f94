"""`carecircle registry`: areas, people, devices, responders and the on-call order, in and out of a folder of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from carecircle.cli import registry_duty, registry_keys, registry_presence
from carecircle.cli.common import SettingsOption, fail, load_settings
from carecircle.settings import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from registry import Diff

app = typer.Typer(
    name="registry",
    help="Who and where: areas, people, devices, responders, who is on call and when nobody is.",
    no_args_is_help=True,
)
app.command()(registry_duty.coverage)
app.command()(registry_duty.ics)
app.command()(registry_duty.reach)
app.command()(registry_presence.presence)
app.command()(registry_duty.routes)
app.command("rotate-key")(registry_keys.rotate_key)

Folder = Annotated[Path, typer.Argument(help="The folder with areas, people, devices, responders, on_call, rosters.")]
Remove = Annotated[bool, typer.Option("--remove", help="Remove what a file no longer has; otherwise it stays.")]
AllChanges = Annotated[bool, typer.Option("--all", help="Print every change, not the first few of each table.")]

_SHOWN = 10


@app.command("import")
def import_(
    folder: Folder,
    settings: SettingsOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    remove: Remove = False,
    all_changes: AllChanges = False,
) -> None:
    """Bring the registry to what the folder says; once more changes nothing."""
    diff = _import(folder, settings, dry_run=dry_run, remove=remove)
    _print(diff, all_changes)
    if diff.problems:
        fail("nothing was imported: correct the lines above and import again")
    out = Console(highlight=False)
    if not diff.changes:
        out.print(f"Nothing to change: the registry (revision {diff.revision}) says the same as {escape(str(folder))}.")
    elif dry_run:
        out.print("Dry run: nothing was changed. Without --dry-run these changes are made.")
    else:
        out.print(f"The registry is at revision {diff.revision}.")


@app.command()
def check(folder: Folder, settings: SettingsOption = None, remove: Remove = False) -> None:
    """Check the files of a folder, alone and against the registry, and change nothing."""
    diff = _import(folder, settings, dry_run=True, remove=remove)
    if diff.problems:
        _print(diff, all_changes=False)
        fail(f"{len(diff.problems)} problems in {folder}")
    out = Console(highlight=False, soft_wrap=True)
    out.print(f"{escape(str(folder))} can be imported: {len(diff.changes)} changes.")
    for notice in diff.notices[:_SHOWN]:
        out.print("note: " + escape(notice))
    if len(diff.notices) > _SHOWN:
        out.print(f"... and {len(diff.notices) - _SHOWN} more notes (registry coverage --contacts prints them all)")


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="The folder to write; it is made where there is none.")],
    settings: SettingsOption = None,
    form: Annotated[str, typer.Option("--format", help="yaml or csv.")] = "yaml",
    secrets: Annotated[bool, typer.Option("--secrets", help="Door codes too; without, an import keeps them.")] = False,
) -> None:
    """Write the registry as files that can be imported again. They hold names and secrets: keep them safe."""
    from registry import RegistryError, export_folder

    if form not in ("yaml", "csv"):
        fail(f"--format {form}: there are yaml and csv")
    try:
        engine = open_registry(settings)
        written = export_folder(engine, folder, form="csv" if form == "csv" else "yaml", secrets=secrets)
    except RegistryError as error:
        fail(str(error))
    for path in written:
        typer.echo(path)


def _import(folder: Path, settings: Path | None, *, dry_run: bool, remove: bool) -> Diff:
    from sqlalchemy.exc import OperationalError

    from registry import RegistryError, import_folder

    try:
        return import_folder(open_registry(settings), folder, dry_run=dry_run, remove=remove)
    except RegistryError as error:
        fail(str(error))
    except OperationalError as error:
        fail(f"the database does not answer: {error.orig}")


def open_registry(settings: Path | None) -> Engine:
    """The registry's database with the newest tables, or a clear message and exit code 2."""
    from sqlalchemy.exc import OperationalError

    import registry

    given = load_settings(settings)
    try:
        engine = registry.create_engine(given.resolved_database_url(), keys=given.registry_keys())
        registry.upgrade(engine)
    except (registry.RegistryError, SettingsError) as error:
        fail(str(error))
    except OperationalError as error:
        fail(f"the database does not answer: {error.orig}")
    return engine


def _print(diff: Diff, all_changes: bool) -> None:
    out = Console(highlight=False, soft_wrap=True)
    for problem in diff.problems:
        out.print(escape(str(problem)))
    tables = list(dict.fromkeys(change.table for change in diff.changes))
    for table in tables:
        changes = [change for change in diff.changes if change.table == table]
        counts = ", ".join(
            f"{count} {what}" for what in ("added", "changed", "removed") if (count := diff.count(table, what))
        )
        out.print(f"[bold]{table}[/bold]: {counts}")
        shown = changes if all_changes else changes[:_SHOWN]
        for change in shown:
            out.print("  " + escape(str(change)))
        if len(shown) < len(changes):
            out.print(f"  ... and {len(changes) - len(shown)} more (--all prints them)")
    for table, count in diff.kept.items():
        out.print(f"{table}: {count} not in the folder stay (--remove removes them)")
