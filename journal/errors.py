"""What can go wrong in a journal. One root; each error carries what it is about and says what to do next."""

from __future__ import annotations

from pathlib import Path


class JournalError(Exception):
    """Root of this package's errors."""


class JournalFull(JournalError):  # noqa: N818 - a state that passes, which the caller waits out, rather than a fault
    """The disk has no room: nothing of this call was kept, and what was there before is whole.

    Hold what you have and append it again later; the journal takes it as soon as ``needed_bytes`` are free.
    """

    def __init__(self, directory: Path, free_bytes: int, needed_bytes: int) -> None:
        super().__init__(
            f"no room on the disk of {directory}: {free_bytes:,} bytes free, {needed_bytes:,} needed. Free some, or "
            "let the consumers catch up so that segments can be dropped; append again later"
        )
        self.directory = directory
        self.free_bytes = free_bytes
        self.needed_bytes = needed_bytes


class JournalLocked(JournalError):  # noqa: N818 - named for the state the journal is in
    """Another process writes this journal. ``pid`` is its process id, None where it could not be read."""

    def __init__(self, directory: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"{holder} is writing the journal {directory}; a journal has one writer. Stop that process, or give this "
            "one another data folder"
        )
        self.directory = directory
        self.pid = pid


class BatchTooLargeError(JournalError):
    """The records of one append are more than a batch can hold. Append them in several batches."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"a batch of {size_bytes:,} bytes; the most is {limit_bytes:,}. Append in smaller batches")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class CommitFailedError(JournalError):
    """The disk refused to make the last appends durable, and what it kept of them is not known.

    This writer takes nothing more. Close it, open the journal again (which cuts back to what is whole) and append again
    what had not been committed.
    """

    def __init__(self, directory: Path, cause: OSError) -> None:
        super().__init__(
            f"the disk refused to commit to {directory}: {cause}. Check the disk; open the journal again and append "
            "what was not committed"
        )
        self.directory = directory
