"""Which motion sensors are at fault, as the detectors have found them?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

import registry
from alerts.device_findings import SensorFinding, standing_sensor_findings
from carecircle.settings import Settings

#: As many are named at most.
_NAMED = 10
_Result = tuple[bool, str, str, str]
_SAYS = {
    "no_data": "gives no numbers",
    "zero": "says zero",
    "saturated": "stays at the end of its range",
    "stuck": "never changes",
    "scale": "has a wrong scale: gravity is not 1 g",
}
_ADVICE = (
    "Falls of their wearers may go unseen. Restart the device; where all of a kind are concerned, look at lsb and glsb"
    " in their firmware; else replace it. A finding goes when the sensor has been sound for five minutes."
)


def check_sensors(settings: Settings) -> Iterator[_Result]:
    """``(ok, what, found, advice)``; nothing where the database does not answer, which another check says."""
    engine = registry.create_engine(settings.resolved_database_url())
    try:
        known = registry.directory(engine, secrets=False).devices
        standing = [finding for finding in standing_sensor_findings(engine) if finding.device in known]
    except SQLAlchemyError:
        return
    finally:
        engine.dispose()
    if not standing:
        yield True, "motion sensors", "none known to be at fault", ""
        return
    said = [_words(finding) for finding in standing[:_NAMED]]
    if len(standing) > _NAMED:
        said.append(f"and {len(standing) - _NAMED} more")
    yield False, "motion sensors", f"{len(standing)} at fault: {'; '.join(said)}", _ADVICE


def _words(finding: SensorFinding) -> str:
    axes = f" axis {', '.join(finding.axes)}" if finding.axes else ""
    since = datetime.fromtimestamp(finding.onset_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{finding.device}: {finding.sensor}{axes} {_SAYS.get(finding.fault, finding.fault)}, since {since}"
