"""How devices are, as they and their messages tell: online, battery, last message, lag, firmware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from store import Store
from store.interface import Value

_SIGNS_OF_LIFE = (
    ("vitals", ["hr", "spo2", "rr", "temp", "sbp", "glucose", "weight"]),
    ("motion", ["enmo_g", "worn"]),
    ("home", ["value"]),
)


@dataclass(frozen=True, slots=True)
class DeviceState:
    """None is not known: never said. ``battery_pct`` as of ``battery_ms``; ``lag_ms`` is how long its newest status was
    on its way, by a clock put right."""

    online: bool | None = None
    battery_pct: float | None = None
    battery_ms: int | None = None
    heard_ms: int | None = None
    lag_ms: float | None = None
    firmware: str = ""


def read_devices(store: Store, devices: Sequence[str] | None) -> dict[str, DeviceState]:
    """The newest of each device that was ever heard of; None means all. Raises StoreError."""
    if devices is not None and not devices:
        return {}

    def newest(field: str) -> dict[str, dict[str, Value]]:
        return store.latest("device", [field], by="device", keys=devices)

    status, charge, lag, firmware = (newest(field) for field in ("online", "battery", "lag_ms", "fw"))
    heard: dict[str, int] = {device: int(point["t_ms"]) for device, point in (*charge.items(), *status.items())}
    for measurement, fields in _SIGNS_OF_LIFE:
        for device, point in store.latest(measurement, fields, by="device", keys=devices).items():
            heard[device] = max(heard.get(device, 0), int(point["t_ms"]))
    found = {}
    for device in heard if devices is None else devices:
        online, battery = status.get(device, {}).get("online"), charge.get(device, {})
        found[device] = DeviceState(
            online=None if online is None else float(online) > 0,
            battery_pct=float(battery["battery"]) if "battery" in battery else None,
            battery_ms=int(battery["t_ms"]) if "battery" in battery else None,
            heard_ms=heard.get(device),
            lag_ms=float(lag[device]["lag_ms"]) if device in lag else None,
            firmware=str(firmware[device]["fw"]) if device in firmware else "",
        )
    return found
