"""The list of devices as a file. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from alerts.reporting.table import harmless
from console.devices.finding import Device
from console.texts import Texts

_HEADER = (
    "device", "kind", "placement", "model", "area", "area_name", "link", "battery_pct", "battery_days_left",
    "last_message", "last_message_ms", "lag_s", "firmware", "findings", "since",
)  # fmt: skip
_AT_ONCE = 500


def csv_rows(devices: Iterable[Device], texts: Texts, now_ms: int, zone: ZoneInfo, *, names: bool) -> Iterator[str]:
    """Lines of CSV in UTF-8 with a mark at the beginning; ``names``: with the people who have them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow((*_HEADER, "person", "person_name") if names else _HEADER)
    for number, device in enumerate(devices, 1):
        entry, state = device.entry, device.state
        left = device.left_days(now_ms)
        cells = [
            *(harmless(text) for text in (entry.id, entry.kind, entry.placement, entry.model, entry.area)),
            harmless(entry.area_name), device.link.value,
            "" if state.battery_pct is None else f"{state.battery_pct:g}", "" if left is None else left,
            "" if state.heard_ms is None else _time(state.heard_ms, zone), state.heard_ms,
            "" if state.lag_ms is None else f"{state.lag_ms / 1000:.1f}", harmless(state.firmware),
            "; ".join(texts.of("fault", fault.kind) for fault in device.faults),
            _time(min(fault.onset_ms for fault in device.faults), zone) if device.faults else "",
        ]  # fmt: skip
        writer.writerow([*cells, harmless(entry.person), harmless(entry.person_name)] if names else cells)
        if number % _AT_ONCE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _time(at_ms: int, zone: ZoneInfo) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, zone).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
