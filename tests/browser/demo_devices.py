"""The devices of the demo district, and what could not be taken of them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from detectors.detection import Severity
from journal.quarantine import Quarantine, list_entries
from store import open_store
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage
from tests.console import device_points as points

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_FOUND = (
    ("d-0004", "offline", 7 * _HOUR_MS, Severity.WARNING,
     "The device has said nothing for 3 minutes; it promised to speak every 60 s.",
     "设备已3分钟没有消息，而它应每60秒报告一次。"),
    ("d-0008", "battery_low", 52 * _HOUR_MS, Severity.WARNING,
     "The battery is at 14 % and will be empty in about 9 days.", "电量剩余14%，约9天后耗尽。"),
    ("d-0010", "clock", 4 * _HOUR_MS, Severity.INFO, "The device's clock is 4 minutes behind.", "设备时钟慢了4分钟。"),
    ("d-0012", "test_overdue", 26 * _HOUR_MS, Severity.INFO,
     "The alarm button has not been tried for 9 days.", "报警按钮已9天没有测试。"),
)  # fmt: skip


def build_devices(engine: Engine, store_url: str, now_ms: int) -> None:
    """Most are well; one is silent, one nearly empty, one keeps the wrong time, one was not tried."""
    store = open_store(store_url)
    for number in range(2, 13):
        device, silent = f"d-{number:04}", number == 4
        points.write_status(
            store, device, now_ms - (7 * _HOUR_MS if silent else number * 7_000), online=1.0,
            battery=14.0 if number == 8 else 97.0 - number * 4, lag_ms=180.0 * number,
            fw="2.1.7" if number % 3 else "2.0.4",
        )  # fmt: skip
    for hour in range(1, 7 * 24):
        at_ms, charged = now_ms - hour * _HOUR_MS, (hour * 1.3) % 80
        points.write_status(
            store, "d-0008", at_ms, battery=14.0 + charged * 0.9, lag_ms=900.0 + (hour * 37) % 700,
            rssi=-61.0 - hour % 9, seq_gap=float(hour % 29 == 0) * 12,
        )  # fmt: skip
    store.close()
    for device, kind, back_ms, severity, said, zh in _FOUND:
        points.find(engine, points.finding(device, kind, now_ms - back_ms, severity=severity, said=said, zh=zh))
    begun, ended = now_ms - 80 * _HOUR_MS, now_ms - 77 * _HOUR_MS
    points.find(
        engine,
        points.finding("d-0008", "messages_lost", begun, said="8 % of the device's messages do not arrive.",
                       zh="设备有8%的消息未送达。"),
        points.finding("d-0008", "messages_lost", begun, over_ms=ended, said="The device's messages arrive again.",
                       zh="设备的消息恢复正常送达。"),
    )  # fmt: skip


def build_quarantine(folder: Path, now_ms: int) -> str:
    """The id of the newest of some messages that could not be taken; the data folder is ``folder``."""
    quarantine = Quarantine(folder / "quarantine", "processor")
    for minutes, device, payload, reason, detail in (
        (300, "d-0003", b'{"t":1772423000000,"boot":1,"seq":7,"hr":71}', Reason.UNKNOWN_DEVICE, "d-0003"),
        (190, "w-2231", b'{"t":1772423000000,"boot":4,"seq":1,"type":"sos"}', Reason.UNKNOWN_DEVICE, "w-2231"),
        (45, "d-0006", b"\x84\xa1t\xcf\x00\x00\x01\x9c\xa3acc\xc4", Reason.UNDECODABLE, "MessagePack ends early"),
        (4, "d-0005", b'{"t":1772424000000,"boot":9,"seq":12,"hr":999,"spo2":97}', Reason.INVALID,
         "hr: expected a number <= 300"),
    ):  # fmt: skip
        at_ms = now_ms - minutes * _MINUTE_MS
        message = RawMessage(at_ms, Flag.NONE, f"care/v1/{device}/vitals".encode(), payload)
        quarantine.put(reason, detail, message, device)
    quarantine.close()
    return list_entries(folder / "quarantine", limit=1)[0].id
