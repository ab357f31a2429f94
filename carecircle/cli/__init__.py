"""The command line. Each command or group is a module; heavy imports happen when it runs, so that --help is quick."""

from __future__ import annotations

from typing import Annotated

import typer

from carecircle import __version__
from carecircle.cli import evaluate, quarantine, registry, setup
from carecircle.cli.backup import backup, restore
from carecircle.cli.bench import app as bench_app
from carecircle.cli.dashboards import app as dashboards_app
from carecircle.cli.demo import demo
from carecircle.cli.doctor import doctor
from carecircle.cli.incidents import app as incidents_app
from carecircle.cli.probe import probe
from carecircle.cli.report import report
from carecircle.cli.run import run
from carecircle.cli.score import score
from carecircle.cli.simulate import simulate
from carecircle.cli.users import app as users_app
from carecircle.cli.visits import app as visits_app

app = typer.Typer(
    name="carecircle",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
    help="""From a wearable's motion over MQTT to a responder at the door.

Start with `carecircle demo`: it needs no set-up and no other program.
""",
)
app.command()(demo)
app.command()(run)
app.command()(simulate)
app.command()(score)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(registry.app, name="registry")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(setup.app, name="setup")
app.add_typer(visits_app, name="visits")
app.add_typer(users_app, name="users")
app.add_typer(incidents_app, name="incidents")
app.add_typer(bench_app, name="bench")
app.add_typer(dashboards_app, name="dashboards")
app.command()(report)
app.command()(backup)
app.command()(restore)
app.command()(probe)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of ``carecircle``."""
    app()
