"""One example of each message, shown in the generated documents and sent through the codecs by the tests."""

from __future__ import annotations

import numpy as np

from telemetry.messages import Command, Event, Home, ListedMotion, Message, PackedMotion, Status, Vitals

_T = 1_760_000_000_000  # 2025-10-09 08:53:20 UTC
_BOOT = 2_718_281_828

#: Three samples of a wrist at rest: 1 g on z at 4,096 counts per g, and 0.0610 deg/s per count.
_ACC = np.array([[12, -40, 4096], [10, -38, 4090], [15, -41, 4101]], dtype="<i2")
_GYR = np.array([[1, 0, -2], [0, 1, -1], [2, 0, -2]], dtype="<i2")

EXAMPLES: dict[type[Message | Command], tuple[Message | Command, ...]] = {
    PackedMotion: (
        PackedMotion(
            t=_T,
            boot=_BOOT,
            seq=41,
            fs=50.0,
            lsb=1 / 4096,
            acc=memoryview(_ACC.tobytes()),
            glsb=0.061,
            gyr=memoryview(_GYR.tobytes()),
        ),
        PackedMotion(
            t=_T + 1_000,
            boot=_BOOT,
            seq=42,
            fs=50.0,
            lsb=1 / 4096,
            acc=memoryview(_ACC.tobytes()),
            idle_until=_T + 600_000,
        ),
    ),
    ListedMotion: (ListedMotion(t=_T, boot=_BOOT, seq=41, fs=50.0, acc=[(0.003, -0.01, 1.0), (0.002, -0.009, 0.999)]),),
    Vitals: (
        Vitals(t=_T, boot=_BOOT, seq=7, hr=72.0, spo2=97.0, rr=16.0, temp=36.6, quality=0.9),
        Vitals(t=_T, boot=_BOOT, seq=8, hist=True, sbp=128.0, dbp=81.0),
        Vitals(t=_T, boot=_BOOT, seq=9, glucose=5.4, weight=61.5, o2=False, acvpu="A"),
    ),
    Home: (
        Home(t=_T, boot=_BOOT, seq=3, kind="presence", value=True, room="bathroom"),
        Home(t=_T, boot=_BOOT, seq=4, kind="water", value=0.7),
        Home(t=_T, boot=_BOOT, seq=5, kind="contact", value="open"),
    ),
    Event: (
        Event(t=_T, boot=_BOOT, seq=1, type="sos"),
        Event(t=_T, boot=_BOOT, seq=2, type="cancel", re="p-81f3"),
        Event(t=_T, boot=_BOOT, seq=3, type="fall"),
    ),
    Status: (
        Status(
            t=_T,
            boot=_BOOT,
            seq=0,
            online=True,
            battery=83.0,
            rssi=-61.0,
            fw="2.4.1",
            placement="wrist",
            heartbeat_s=60.0,
        ),
        Status(t=_T, boot=_BOOT, seq=1, online=False),
    ),
    Command: (
        Command(id="a-5c20", type="ack", expires_ms=_T + 60_000, boot=_BOOT, seq=1),
        Command(id="p-81f3", type="prompt", expires_ms=_T + 30_000),
    ),
}
