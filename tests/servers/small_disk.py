"""A disk of a few megabytes, to be filled: a tmpfs of its own, unmounted at the end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers.require import missing

SIZE_BYTES = 8 << 20
LARGER_BYTES = 96 << 20


@contextmanager
def mounted(folder: Path, size_bytes: int) -> Iterator[Path]:
    """An empty disk of that size at ``folder``, which is made; or a skip that says why there can be none."""
    folder.mkdir()
    if os.geteuid() != 0:
        missing("mounting a small tmpfs needs root: run the tests as root to see the full disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        missing(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """The mount point of an empty disk of 8 MiB."""
    with mounted(tmp_path / "small-disk", SIZE_BYTES) as folder:
        yield folder


@pytest.fixture
def larger_disk(tmp_path: Path) -> Iterator[Path]:
    """The mount point of an empty disk with room for the journals and checkpoints of some hundred wearers."""
    with mounted(tmp_path / "larger-disk", LARGER_BYTES) as folder:
        yield folder
