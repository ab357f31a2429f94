"""What is wrong with devices, as the detectors have found it, in plain sentences?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy.exc import SQLAlchemyError

import registry
from alerts.device_findings import DeviceFinding, standing_device_findings
from carecircle.settings import Settings
from detectors.device import sentences as of_devices
from detectors.vitals import sentences as of_vitals

#: As many of a kind are named at most.
_NAMED = 10
_Result = tuple[bool, str, str, str]
_KINDS = of_vitals.KINDS["en"] | of_devices.KINDS["en"]
#: What to do, by kind; what comes first in here is said first.
ADVICE = {
    "area_offline": "Look at power and network there; no device of it needs to be visited.",
    "offline": "Is it charged, in reach and switched on? Whoever relies on it cannot call with it.",
    "battery_low": "Charge it, or replace the battery.",
    "test_overdue": "Have its button pressed once; say so to whoever is on call before.",
    "not_worn": "Ask its wearer whether it hurts, or is forgotten after charging.",
    "messages_lost": "Look at its radio link: a router nearer by, another channel.",
    "reconnects": "Look at its radio link and battery; where all of a kind are concerned, at their firmware.",
    "clock": "Let it set its clock from the network. Until then its times are corrected here.",
    "clock_drift": "Let it set its clock from the network once a day.",
    "sensor_stuck": "Clean, move or replace it: the routine of the home is watched without it.",
    "reading_fault": "Look how it is worn, and at its unit; else replace it. Its readings call nobody.",
    "other_wearer": "Ask who wears it: baselines and alarms are those of the person in the registry.",
}
_OTHERWISE = "Look at the device."


def check_devices(settings: Settings) -> Iterator[_Result]:
    """``(ok, what, found, advice)``, one for each kind of finding; nothing where the database does not answer, which
    another check says."""
    engine = registry.create_engine(settings.resolved_database_url())
    try:
        known = registry.directory(engine, secrets=False)
        standing = [
            one for one in standing_device_findings(engine) if one.device in known.devices or one.area in known.areas
        ]
    except SQLAlchemyError:
        return
    finally:
        engine.dispose()
    if not standing:
        yield True, "devices", "nothing known to be wrong with any", ""
        return
    kinds: dict[str, list[DeviceFinding]] = defaultdict(list)
    for one in standing:
        kinds[one.kind].append(one)
    order = list(ADVICE)
    for kind in sorted(kinds, key=lambda kind: order.index(kind) if kind in order else len(order)):
        found = kinds[kind]
        said = [in_words(one) for one in found[:_NAMED]]
        if len(found) > _NAMED:
            said.append(f"and {len(found) - _NAMED} more")
        what = f"devices: {_KINDS.get(kind, kind).lower()}"
        yield False, what, f"{len(found)}: {' '.join(said)}", ADVICE.get(kind, _OTHERWISE)


def in_words(finding: DeviceFinding) -> str:
    """Who or where, what, and since when."""
    since = datetime.fromtimestamp(finding.onset_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    where = finding.person or finding.area if finding.area else finding.device
    said = finding.said.get("en", finding.kind)
    return f"{where}: {said.rstrip('.')} (since {since})."


__all__ = ["ADVICE", "check_devices", "in_words"]
