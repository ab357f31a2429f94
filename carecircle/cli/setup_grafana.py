"""``carecircle setup grafana``: dashboards, data source and rules into a Grafana that already runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from carecircle.cli.common import SettingsOption, fail, load_settings


def grafana(
    url: Annotated[str, typer.Option(help="Grafana: http://host:3000")],
    source_token_file: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The token with which Grafana reads InfluxDB.")
    ],
    settings_file: SettingsOption = None,
    token_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Token of a service account, role Admin; or GRAFANA_TOKEN."),
    ] = None,
    source_url: Annotated[
        str | None, typer.Option(help="InfluxDB as Grafana reaches it; default: store.url of the settings.")
    ] = None,
    webhook_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with the address that rules tell.")
    ] = None,
    language: Annotated[list[str] | None, typer.Option(help="en, zh; both unless given; repeat.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what differs, line by line.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Bring folders, data source, dashboards, rules and a contact point to a Grafana that already runs.

    Run it again after an update: it changes what differs, and Grafana keeps the versions of a dashboard. The compose
    file needs none of this, it reads the same from files.
    """
    from dashboards import LANGUAGES, DashboardsError
    from dashboards.push import Options, PushError
    from dashboards.push_server import connect

    token = token_file.read_text().strip() if token_file else os.environ.get("GRAFANA_TOKEN", "")
    if not token:
        fail("Grafana's token is missing: give --token-file, or set GRAFANA_TOKEN")
    unknown = [one for one in language or () if one not in LANGUAGES]
    if unknown:
        fail(f"--language {unknown[0]}: there are {', '.join(LANGUAGES)}")
    influx = source_url or load_settings(settings_file).store.url
    if not influx.startswith(("http://", "https://")):
        fail(f"the store is {influx!r}, not an InfluxDB that Grafana could read: give --source-url http://host:8086")
    try:
        options = Options(
            influx,
            source_token_file.read_text().strip(),
            webhook_file.read_text().strip() if webhook_file else "",
            tuple(language) if language else LANGUAGES,
        )
        server = connect(url, token)
        typer.echo(f"Grafana {server.version} at {url}")
        for item in server.look(options):
            version = item.version
            if item.change != "unchanged" and not dry_run:
                version = server.do(item, options)
            numbered = f", version {version}" if version is not None else ""
            typer.echo(f"{item.change:>9}  {item.kind} {item.title}{numbered}")
            if diff and item.change == "changed":
                typer.echo("\n".join(f"           {line}" for line in item.diff))
    except (PushError, DashboardsError, OSError) as error:
        fail(str(error))
    if dry_run:
        typer.echo("dry run: nothing was changed")
