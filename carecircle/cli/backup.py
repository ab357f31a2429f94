"""``carecircle backup`` and ``carecircle restore``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from carecircle.cli.common import SettingsOption, err, fail, load_settings


def backup(
    out: Annotated[Path, typer.Option(help="Folder for backups; each gets a folder of its own in it.")],
    settings_file: SettingsOption = None,
    without_database: Annotated[
        bool, typer.Option("--without-database", help="Somebody else backs the database up: do so after this.")
    ] = False,
) -> None:
    """Copy what this machine keeps: registry and incidents, journals, what detectors have learnt, the embedded store.

    Everything may go on running. Secrets are named, not copied; InfluxDB has a backup of its own: docs/compose.md.
    """
    from carecircle.backup import BackupError, make_backup
    from carecircle.backup_databases import DatabaseCopyError

    settings = load_settings(settings_file)
    now_ms = time.time_ns() // 1_000_000
    name = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("carecircle-%Y%m%dT%H%M%SZ")
    try:
        made = make_backup(settings, out, now_ms, name, with_database=not without_database)
    except (BackupError, DatabaseCopyError, OSError) as error:
        fail(str(error))
    total = sum(file.bytes for file in made.manifest.files)
    typer.echo(f"{made.folder}: {len(made.manifest.files)} files, {total / 1e6:.1f} MB")
    for secret in made.manifest.secrets:
        typer.echo(f"not in it, keep it elsewhere: {secret}")
    if not made.settled:
        err.print("The processor wrote all the time: some of what it has learnt will be learnt anew.", style="yellow")


def restore(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="One backup.")],
    settings_file: SettingsOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="See whether the backup is whole, and change nothing.")
    ] = False,
) -> None:
    """Put a backup back, into an empty data folder and an empty database; then start the system as always."""
    from carecircle.backup import BackupError, read_manifest
    from carecircle.backup import restore as put_back
    from carecircle.backup_databases import DatabaseCopyError

    settings = load_settings(settings_file)
    try:
        manifest = read_manifest(folder) if check else put_back(settings, folder)
    except (BackupError, DatabaseCopyError, OSError) as error:
        fail(str(error))
    made = datetime.fromtimestamp(manifest.made_ms / 1000, UTC).isoformat(timespec="seconds")
    typer.echo(
        f"{'whole' if check else 'restored'}: {len(manifest.files)} files of {made}, CareCircle {manifest.version}"
    )
    if not manifest.database:
        typer.echo("the database is not in it: restore it from its own backup")
    for secret in manifest.secrets:
        if not Path(secret).exists():
            typer.echo(f"missing, put it back before you start: {secret}")
