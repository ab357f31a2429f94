"""Why a message could not be taken. One root, and a closed list of reasons that is also the metrics' label."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a message stands in the quarantine. The value is the label in metrics and on the command line."""

    BAD_TOPIC = "bad_topic"  # not care/v1/<device>/<stream>
    TOO_LARGE = "too_large"  # payload over the stream's limit
    UNDECODABLE = "undecodable"  # neither MessagePack nor JSON, or truncated
    INVALID = "invalid"  # a field is missing, of the wrong type or out of its range
    WRONG_LENGTH = "wrong_length"  # acc or gyr is not n x 3 samples
    NOT_FINITE = "not_finite"  # NaN or infinity where a number is due
    UNKNOWN_DEVICE = "unknown_device"  # the registry has no such device
    CONFLICT = "conflict"  # another value for the same series and time is already stored
    RETAINED = "retained"  # an event that the broker replayed from its retain store
    STORE_REJECTED = "store_rejected"  # the store refused the point for good (4xx)
    INTERNAL = "internal"  # our own defect: the message is kept so that it can be replayed after the fix


class TelemetryError(ValueError):
    """Root of this package's errors. Carries the reason and what was wrong in words a device maker can use."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail
