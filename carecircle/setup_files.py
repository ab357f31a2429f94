"""Secret files: written whole or not at all, and never readable by others, not for a moment."""

from __future__ import annotations

import os
import stat
from pathlib import Path

SECRET_MODE = 0o600


def write_secret(path: Path, text: str) -> None:
    """Replace ``path`` by a file that only its owner reads (0600). Its folder is made where it is missing (0700)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE), "w") as stream:
        stream.write(text)
        os.fchmod(stream.fileno(), SECRET_MODE)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def is_open_to_others(path: Path) -> bool:
    """Whether a file may be read by its group or by everybody."""
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
