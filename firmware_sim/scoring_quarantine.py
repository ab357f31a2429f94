"""What a system refused, held against the messages that no system may take. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from firmware_sim.truth import Spoiled


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a system refused: ``reason`` as :class:`telemetry.errors.Reason` has it, ``sha256`` in hex."""

    reason: str
    sha256: str
    device: str | None = None
    recv_ms: int | None = None
    detail: str = ""


class QuarantineScore(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the messages that no system may take.

    ``wrong`` have another reason than is due, with that reason; ``unexplained`` are entries for which no message was
    spoiled.
    """

    due: int
    right: int
    wrong: list[tuple[Spoiled, str]]
    missing: list[Spoiled]
    unexplained: list[Quarantined]


def match_quarantine(spoiled: Iterable[Spoiled], quarantined: Sequence[Quarantined]) -> QuarantineScore:
    """Each spoiled message takes one entry of the same payload: of its own device, else of no known one. What is left
    of a payload that was spoiled came twice, as QoS 1 allows."""
    entries: dict[tuple[str | None, str], list[Quarantined]] = defaultdict(list)
    for entry in quarantined:
        entries[entry.device, entry.sha256].append(entry)
    seen: set[str] = set()
    due = right = 0
    wrong, missing = [], []
    for one in sorted(spoiled, key=lambda one: one.at_ms):
        due += 1
        seen.add(one.sha256)
        there = entries.get((one.device, one.sha256)) or entries.get((None, one.sha256))
        if not there:
            missing.append(one)
            continue
        taken = next((entry for entry in there if entry.reason == one.reason), there[0])
        there.remove(taken)
        if taken.reason == one.reason:
            right += 1
        else:
            wrong.append((one, taken.reason))
    unexplained = [entry for some in entries.values() for entry in some if entry.sha256 not in seen]
    return QuarantineScore(due=due, right=right, wrong=wrong, missing=missing, unexplained=unexplained)
