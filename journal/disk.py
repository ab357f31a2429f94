"""Room on the disk: how much is free, the reserve that is given up when there is none, and the writer's lock."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from journal.errors import JournalLocked

_LOCK = "lock"
_RESERVE = "reserve"
_PID_BYTES = 16


def is_full(error: OSError) -> bool:
    """Whether ``error`` says that the disk, or the quota on it, is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def free_bytes(directory: Path) -> int:
    """What an ordinary user may still write to the disk of ``directory``."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


class Reserve:
    """A file of ``size`` bytes that holds room on the disk, to be given up when the disk is full."""

    def __init__(self, directory: Path, size: int) -> None:
        self.size = size
        self._path = directory / _RESERVE

    def hold(self) -> bool:
        """Take the room; False, and nothing taken, where there is not enough."""
        if not self.size:
            self._path.unlink(missing_ok=True)
            return True
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            if is_full(error):
                return False
            raise
        try:
            os.posix_fallocate(fd, 0, self.size)
            os.ftruncate(fd, self.size)
            return True
        except OSError as error:
            if not is_full(error):
                raise
            os.ftruncate(fd, 0)  # ext4 keeps the part that it could allocate
            return False
        finally:
            os.close(fd)

    def release(self) -> None:
        """Give the room to whoever needs it."""
        self._path.unlink(missing_ok=True)


class WriterLock:
    """Held for as long as the journal is open for writing; the kernel drops it when the process dies.

    A child made by a bare fork shares it and keeps it alive: start children with exec (subprocess, or spawn).
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock.

        Raises:
            JournalLocked: somebody else has it.
        """
        self._fd = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, _PID_BYTES, 0).strip()
            os.close(self._fd)
            raise JournalLocked(directory, int(holder) if holder.isdigit() else None) from None
        try:
            os.pwrite(self._fd, f"{os.getpid():<{_PID_BYTES}}".encode(), 0)
        except OSError as error:
            if not is_full(error):
                os.close(self._fd)
                raise

    def release(self) -> None:
        """Let the next writer in."""
        os.close(self._fd)
