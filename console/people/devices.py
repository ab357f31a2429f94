"""How the devices of a person are: online, battery, last message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store import Store

_SIGNS_OF_LIFE = (
    ("vitals", ["hr", "spo2", "rr", "temp", "sbp", "glucose", "weight"]),
    ("motion", ["enmo_g", "worn"]),
    ("home", ["value"]),
)


@dataclass(frozen=True, slots=True)
class DeviceState:
    """None is not known: never said. ``battery_pct`` as of ``battery_ms``."""

    online: bool | None = None
    battery_pct: float | None = None
    battery_ms: int | None = None
    heard_ms: int | None = None


def read_devices(store: Store, devices: Sequence[str]) -> dict[str, DeviceState]:
    """The newest of each device. Raises StoreError."""
    if not devices:
        return {}
    status = store.latest("device", ["online"], by="device", keys=devices)
    charge = store.latest("device", ["battery"], by="device", keys=devices)
    heard: dict[str, int] = {device: int(point["t_ms"]) for device, point in (*charge.items(), *status.items())}
    for measurement, fields in _SIGNS_OF_LIFE:
        for device, point in store.latest(measurement, fields, by="device", keys=devices).items():
            heard[device] = max(heard.get(device, 0), int(point["t_ms"]))
    found = {}
    for device in devices:
        online, battery = status.get(device, {}).get("online"), charge.get(device, {})
        found[device] = DeviceState(
            online=None if online is None else float(online) > 0,
            battery_pct=float(battery["battery"]) if "battery" in battery else None,
            battery_ms=int(battery["t_ms"]) if "battery" in battery else None,
            heard_ms=heard.get(device),
        )
    return found
