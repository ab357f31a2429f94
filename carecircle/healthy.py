"""Whether a role does its work: ``python -m carecircle.healthy [ROLE ...]``, for health checks of containers.

Exits with 0, or with 1 and one line for each role that does not. Without a role: all that `carecircle run` starts.
"""

from __future__ import annotations

import argparse
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from carecircle.settings import Role, Settings, SettingsError, load

#: The gateway and the processor write their figures every 10 s, the alerts process says every 4 s that it lives.
_SILENT_S = 45.0
#: The processor's own points pass through the writer every 10 s; while InfluxDB is away nothing does.
_WRITER_SILENT_S = 90.0


def ailment(role: Role, settings: Settings, now_s: float) -> str:
    """What is wrong with a role, or "" where nothing is."""
    return _CHECKS[role](settings, now_s)


def _age(path: Path, now_s: float, limit_s: float) -> str:
    try:
        age_s = now_s - path.stat().st_mtime
    except FileNotFoundError:
        return f"{path} is not there yet"
    return f"{path} was last written {age_s:.0f} s ago" if age_s > limit_s else ""


def _gateway(settings: Settings, now_s: float) -> str:
    return _age(settings.state_dir / "gateway.json", now_s, _SILENT_S)


def _processor(settings: Settings, now_s: float) -> str:
    return _age(settings.state_dir / "processor.json", now_s, _SILENT_S)


def _writer(settings: Settings, now_s: float) -> str:
    return _age(settings.journal_dir / "points" / "writer.offset", now_s, _WRITER_SILENT_S)


def _alerts(settings: Settings, now_s: float) -> str:
    from sqlalchemy import func, select
    from sqlalchemy.exc import SQLAlchemyError

    import registry
    from alerts import models

    engine = registry.create_engine(settings.resolved_database_url())
    try:
        with engine.connect() as connection:
            seen_ms = connection.execute(select(func.max(models.worker.c.seen_ms))).scalar()
    except SQLAlchemyError as error:
        return f"the database: {str(error).splitlines()[0]}"
    finally:
        engine.dispose()
    if seen_ms is None or now_s - seen_ms / 1000 > _SILENT_S:
        return "no alerts process has said that it lives"
    return ""


def _console(settings: Settings, _now_s: float) -> str:
    host = settings.console.host
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{settings.console.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5):
            return ""
    except (urllib.error.URLError, OSError) as error:
        return f"{url}: {error}"


def _probe(_settings: Settings, _now_s: float) -> str:
    return ""  # it pages somebody itself


_CHECKS: dict[Role, Callable[[Settings, float], str]] = {
    Role.GATEWAY: _gateway,
    Role.PROCESSOR: _processor,
    Role.WRITER: _writer,
    Role.ALERTS: _alerts,
    Role.CONSOLE: _console,
    Role.PROBE: _probe,
}


def main(arguments: list[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m carecircle.healthy",
        description=__doc__,
        epilog="It looks at what a role leaves behind (files in data_dir, the database, the console's /healthz), with\n"
        "the settings of `carecircle run`: CARECIRCLE_SETTINGS and CARECIRCLE_... in the environment. What else may\n"
        "be wrong, `carecircle doctor` says.\n\nexample: python -m carecircle.healthy gateway processor",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("roles", nargs="*", metavar="ROLE", help=f"one or more of {', '.join(Role)}")
    names = parser.parse_args(arguments).roles
    try:
        settings = load()
        roles = [Role(name) for name in names] or settings.roles
    except (SettingsError, ValueError) as error:
        print(error)
        return 1
    found = [(role, ailment(role, settings, time.time())) for role in roles]
    for role, what in found:
        if what:
            print(f"{role}: {what}")
    return int(any(what for _, what in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
