"""One role in this process, from its settings to its end."""

from __future__ import annotations

import signal
import threading

from carecircle import logs, roles
from carecircle.settings import Role, Settings, SettingsError


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def told_in_words() -> tuple[type[Exception], ...]:
    """The errors whose text says to people what is wrong and what to do: no traceback for these."""
    from alerts.errors import AlertsError
    from carecircle.probe.errors import ProbeError
    from console.errors import ConsoleError
    from journal import JournalLocked
    from registry import RegistryError

    return SettingsError, RegistryError, JournalLocked, AlertsError, ConsoleError, ProbeError, OSError


def run_alone(role: Role, settings: Settings, stop: threading.Event) -> None:
    """Run a role until ``stop``. Raises one of :func:`told_in_words` where it cannot."""
    settings.check_secrets()
    logs.set_up(settings.log_level, name=role)
    roles.run_role(role, settings, stop)
