"""What a wearer says when asked "are you all right?"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from firmware_sim.people import Aftermath

#: Of a fall of which nobody knows how it ended, there is no answer for so long.
NO_ANSWER_S = 120.0
#: Who gets up stands, and finds the device, so long after that.
_UP_S = 12.0


class Answer(NamedTuple):
    """What is said: ``cancel`` (all is well) or ``sos``, from when on."""

    kind: Literal["cancel", "sos"]
    from_ms: int


def answer(falls: Iterable[tuple[int, Aftermath]], now_ms: int, expires_ms: int) -> Answer | None:
    """What somebody answers who is asked at ``now_ms``; None: nothing, or not before the question has expired.

    Who lies there and cannot get up asks for help; who is unconscious says nothing until helped; who gets up answers
    then.

    Args:
        falls: (impact, how it ends), up to now.
        now_ms: instant of the question.
        expires_ms: until when it stands.
    """
    from_ms = now_ms
    for impact_ms, after in falls:
        lies_s = after.lies_s + _UP_S if after.outcome else NO_ANSWER_S
        up_ms = impact_ms + int(lies_s * 1000)
        if now_ms >= up_ms:
            continue
        if after.outcome == "lies":
            return Answer("sos", now_ms)
        if after.outcome != "gets_up":
            return None
        from_ms = up_ms
    return Answer("cancel", from_ms) if from_ms <= expires_ms else None
