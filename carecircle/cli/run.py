"""``carecircle run``: the system against a real broker and store."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from carecircle import logs
from carecircle.cli.common import SettingsOption, fail, load_settings
from carecircle.settings import FILE_VARIABLE, Role

_log = logging.getLogger(__name__)


def run(
    settings_file: SettingsOption = None,
    role: Annotated[
        list[Role] | None,
        typer.Option("--role", help="Run only this role, in this process; several: each in a process of its own."),
    ] = None,
) -> None:
    """Run the system: gateway, processor, writer, alerts, console, and the probe where one is set, each in a process of
    its own.

    Settings come from a TOML file (--settings or CARECIRCLE_SETTINGS) and from the environment
    (CARECIRCLE_BROKER__URL, CARECIRCLE_STORE__URL ...). `carecircle doctor` checks them.
    A role that dies is started again; Ctrl-C or SIGTERM ends all of them in order, nothing is lost.
    """
    from carecircle import roles
    from carecircle.alone import run_alone, stop_on_signals, told_in_words
    from carecircle.supervisor import Supervisor

    settings = load_settings(settings_file)
    stop = stop_on_signals()
    try:
        if role is not None and len(role) == 1:
            run_alone(role[0], settings, stop)
            return
        settings.check_secrets()
        logs.set_up(settings.log_level, name="run")
        roles.prepare_apart(settings)
    except told_in_words() as error:
        fail(str(error))
    environment = {FILE_VARIABLE: str(Path(settings_file).absolute())} if settings_file else {}
    supervisor = Supervisor(environment=environment)
    wanted = role or settings.roles
    for one in wanted:
        supervisor.add_role(one)
    _log.info("running %s; data in %s; console %s", ", ".join(wanted), settings.data_dir,
              settings.resolved_public_url())  # fmt: skip
    supervisor.run(stop)
