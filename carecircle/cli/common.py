"""What several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from carecircle.settings import Settings, SettingsError, load

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", "-s", help="TOML file with settings; default: the file CARECIRCLE_SETTINGS names."),
]

#: Messages about the work, apart from its output.
err = Console(stderr=True)


def fail(text: str, *, code: int = 2) -> NoReturn:
    """Say what is wrong, without a traceback, and leave."""
    err.print(text, style="bold red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(code)


def load_settings(file: Path | None) -> Settings:
    """The settings, or a clear message and exit code 2."""
    try:
        return load(file)
    except SettingsError as error:
        fail(str(error))
