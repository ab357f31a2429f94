"""What is known around a detection, and what is made of it: the values that :mod:`alerts.fusion` takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerts.calling import Round
from alerts.lifecycle import AskWearer, Change, Incident
from alerts.policy import Policy
from alerts.reasons import Reason
from detectors.detection import Severity


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what a detection is about. ``desk``: nobody known, the district desk has it. ``test``: said by a test
    device. ``askable``: the device is known and somebody's, so that its wearer can be asked."""

    person: str | None
    device: str
    area: str
    desk: bool
    test: bool = False
    askable: bool = True


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question to a wearer that was sent."""

    id: str
    detection: str
    device: str
    person: str | None
    incident: str | None
    asked_ms: int
    state: PromptState


class PromptState(StrEnum):
    """Where a question to the wearer stands."""

    ASKED = "asked"
    CANCELLED = "cancelled"  # the wearer answered that all is well
    WITHDRAWN = "withdrawn"  # the detector took the suspicion back


class Verdict(StrEnum):
    """What was done with a detection."""

    OPENED = "opened"
    JOINED = "joined"
    ASKED = "asked"  # the wearer only
    CANCELLED = "cancelled"  # it answered a prompt, or its prompt had been answered before
    WITHDRAWN = "withdrawn"
    RECORDED = "recorded"  # kept, nothing follows


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows around a detection.

    Attributes:
        incident: the one it belongs to (see :func:`alerts.fusion.choose`), or None.
        prompt: the question about this detection; for a ``cancel`` the one that it answers (see
            :func:`alerts.fusion.answers`); or None.
        settles: for a ``cancel``: nothing else speaks for an emergency (see :func:`alerts.fusion.settles`).
        calls: the order of the subject's area, and who was called in the incident's present round.
        policy: that of the registry for a new incident; None: the built-in one.
        silenced: whether a silence holds for a new incident.
        others: for a follow-up: the severity of what else the incident knows of, None without.
    """

    incident: Incident | None
    prompt: Prompt | None
    settles: bool
    calls: Round
    others: Severity | None = None
    policy: Policy | None = None
    silenced: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """The result: what was done with the detection, what becomes of the incident, what becomes of the prompt.

    ``incident`` is the one that the detection belongs to from now on. ``notes`` are for the audit where no incident
    changes. ``reason`` says why no responder is told, where none is.
    """

    verdict: Verdict
    incident: str | None = None
    change: Change | None = None
    prompt: Prompt | None = None
    ask: AskWearer | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that decide here."""

    policy: Policy
    historical: Policy
    fuse_s: float
    prompt_s: float
