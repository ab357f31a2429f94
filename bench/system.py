"""The system that a benchmark runs: settings of its own, and how far the readers of its journals are behind."""

from __future__ import annotations

import os
from pathlib import Path

from carecircle.settings import Settings, load
from journal import JournalReader


def settings_in(folder: Path, port: int) -> tuple[Settings, dict[str, str]]:
    """Settings for a data folder below ``folder`` and a broker on ``port``, and the environment that says them to
    other processes. No other setting of ours is left in this one's environment."""
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_") and name != "CARECIRCLE_DATA"]:
        del os.environ[name]
    environment = {
        "CARECIRCLE_DATA_DIR": str(folder / "data"),
        "CARECIRCLE_BROKER__URL": f"mqtt://127.0.0.1:{port}",
        "CARECIRCLE_LOG_LEVEL": "warning",
    }
    os.environ.update(environment)
    return load(), environment


def lag_bytes(settings: Settings, journal: str, consumer: str) -> int:
    """What ``consumer`` has not read of a journal."""
    reader = JournalReader(settings.journal_dir / journal, consumer)
    try:
        return reader.lag_bytes()
    finally:
        reader.close()
