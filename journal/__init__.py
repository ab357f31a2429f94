"""The durable logs between the stages, and the quarantine.

A journal is a folder of append-only segment files with one writing process and any number of reading ones, which follow
by position and keep an offset each. What the writer has committed survives the death of every process and of the power.
"""

from journal.batch import Batch
from journal.errors import BatchTooLargeError, CommitFailedError, JournalError, JournalFull, JournalLocked
from journal.reader import JournalReader
from journal.writer import JournalWriter

__all__ = [
    "Batch",
    "BatchTooLargeError",
    "CommitFailedError",
    "JournalError",
    "JournalFull",
    "JournalLocked",
    "JournalReader",
    "JournalWriter",
]
