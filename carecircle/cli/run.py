"""``carecircle run``: the system against a real broker and store."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from carecircle import logs
from carecircle.cli.common import SettingsOption, fail, load_settings
from carecircle.settings import FILE_VARIABLE, Role, SettingsError

_log = logging.getLogger(__name__)


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


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
    from alerts.errors import AlertsError
    from carecircle import roles  # imports numpy, SQLAlchemy and all: not for --help
    from carecircle.probe.errors import ProbeError
    from carecircle.supervisor import Supervisor
    from console.errors import ConsoleError
    from journal import JournalLocked
    from registry import RegistryError

    settings = load_settings(settings_file)
    stop = stop_on_signals()
    try:
        settings.check_secrets()
        if role is not None and len(role) == 1:
            logs.set_up(settings.log_level, name=role[0])
            roles.run_role(role[0], settings, stop)
            return
        logs.set_up(settings.log_level, name="run")
        roles.prepare(settings)
    except (SettingsError, RegistryError, JournalLocked, AlertsError, ConsoleError, ProbeError, OSError) as error:
        fail(str(error))
    environment = {FILE_VARIABLE: str(Path(settings_file).absolute())} if settings_file else {}
    supervisor = Supervisor(environment=environment)
    wanted = role or settings.roles
    for one in wanted:
        supervisor.add_role(one)
    _log.info("running %s; data in %s; console %s", ", ".join(wanted), settings.data_dir,
              settings.resolved_public_url())  # fmt: skip
    supervisor.run(stop)
