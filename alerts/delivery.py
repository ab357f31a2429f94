"""The outbox's rules: keys, and what the result of an attempt means. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from alerts.reasons import Reason

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0
#: With the delays above about 20 minutes, long after the next responders were called.
MAX_ATTEMPTS = 25


class Status(StrEnum):
    """Where a notification stands."""

    PENDING = "pending"  # due now, on its way, or waiting for another attempt
    SENT = "sent"
    FAILED = "failed"  # given up
    NOT_SENT = "not_sent"  # there was no need, or no way


class Purpose(StrEnum):
    """What a notification is for."""

    CALL = "call"
    STAND_DOWN = "stand_down"  # who was called need not go
    BESIDE = "beside"  # who is told beside the calls, and whose answer ends none
    REFERRAL = "referral"  # a doctor or hospital team learns of an incident


@dataclass(frozen=True, slots=True)
class SendResult:
    """What an attempt came to. ``recoverable``: it may succeed later. ``error`` is None when it was delivered."""

    reason: Reason
    recoverable: bool = False
    error: str | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What a result means for the notification: its new status, and when it is due again while pending."""

    status: Status
    reason: Reason
    detail: str | None
    due_ms: int | None = None


def notification_id(
    incident: str, step: int, round_: int, responder: str, channel: str, purpose: Purpose = Purpose.CALL
) -> str:
    """The id that is made of the key, so that the same notification has it whoever computes it again. What is no call
    has the key of the call that it answers, and what it is for."""
    parts = (incident, str(step), str(round_), responder, channel)
    key = "\0".join(parts if purpose is Purpose.CALL else (*parts, purpose.value))
    return "n" + hashlib.blake2b(key.encode(), digest_size=12).hexdigest()


def backoff_s(notification: str, attempt: int) -> float:
    """How long to wait after ``attempt`` (from 1) failed: doubling, with jitter between half and the whole.

    The jitter comes from the id, so that many notifications spread out and one always gives the same delay.
    """
    whole = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(attempt - 1, 16))
    digest = hashlib.blake2b(f"{notification}\0{attempt}".encode(), digest_size=4).digest()
    return whole * (0.5 + 0.5 * int.from_bytes(digest, "big") / 2**32)


def settle(notification: str, attempt: int, result: SendResult, now_ms: int) -> Settled:
    """Sent, again later, or given up."""
    if result.error is None:
        return Settled(Status.SENT, result.reason, None)
    if not result.recoverable:
        return Settled(Status.FAILED, result.reason, result.error)
    if attempt >= MAX_ATTEMPTS:
        return Settled(Status.FAILED, Reason.TOO_MANY_ATTEMPTS, f"{attempt} attempts, the last: {result.error}")
    wait_s = backoff_s(notification, attempt)
    if result.retry_after_s is not None:
        wait_s = max(wait_s, min(result.retry_after_s, _LONGEST_DELAY_S))
    return Settled(Status.PENDING, result.reason, result.error, now_ms + round(wait_s * 1000))
