"""A disk that hangs in the commit of the gateway's journal."""

from __future__ import annotations

import threading

import pytest

import ingest.gateway
from journal import JournalWriter


def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Gateways that are made from now on commit while this is set, as it is at first; they wait 20 s for it."""
    ready = threading.Event()
    ready.set()

    class SlowDisk(JournalWriter):
        def commit(self) -> None:
            assert ready.wait(20)
            super().commit()

    monkeypatch.setattr(ingest.gateway, "JournalWriter", SlowDisk)
    return ready
