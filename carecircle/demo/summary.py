"""What the demo's run came to, against the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alerts.queries import IncidentView
from carecircle.demo.responders import Notice
from firmware_sim.scoring import Found, Score, match
from firmware_sim.truth import Truth


@dataclass(frozen=True, slots=True)
class Summary:
    """Messages are unique (device, stream, boot, seq); notified, acknowledged and escalated count incidents."""

    source: str
    messages_published: int
    messages_journaled: int
    messages_lost: int
    score: Score
    incidents: int
    notified: int
    acknowledged: int
    escalated: int

    @property
    def failed(self) -> bool:
        """Whether a message was lost or a fall or SOS missed."""
        return bool(self.messages_lost or self.score.falls_missed or self.score.sos_missed)

    def as_json(self) -> dict[str, Any]:
        """The keys that ``carecircle demo --json`` promises."""
        latency, press = self.score.impact_to_notified_s, self.score.press_to_notified_s
        return {
            "source": self.source,
            "messages_published": self.messages_published,
            "messages_journaled": self.messages_journaled,
            "messages_lost": self.messages_lost,
            "falls_injected": self.score.falls_injected,
            "falls_detected": self.score.falls_detected,
            "sos_pressed": self.score.sos_injected,
            "sos_found": self.score.sos_detected,
            "false_alarms": len(self.score.false_alarms),
            "incidents": self.incidents,
            "notified": self.notified,
            "acknowledged": self.acknowledged,
            "escalated": self.escalated,
            "impact_to_notified_s": {"p50": latency.p50, "p95": latency.p95, "max": latency.max},
            "press_to_notified_s": {"p50": press.p50, "p95": press.p95, "max": press.max},
        }


def found_in(incidents: Sequence[IncidentView], notices: Sequence[Notice]) -> list[Found]:
    """Every confirmed fall and SOS among the evidence, with the instant at which a responder first heard of it."""
    first_ms: dict[str, int] = {}
    for notice in notices:
        first_ms[notice.incident] = min(notice.at_ms, first_ms.get(notice.incident, notice.at_ms))
    return [
        Found(
            kind=evidence.kind,
            device=evidence.device,
            person=incident.person_key,
            onset_ms=evidence.onset_ms,
            notified_ms=first_ms.get(incident.id),
        )
        for incident in incidents
        for evidence in incident.evidence
        if evidence.stage == "confirmed" and evidence.kind in ("fall", "sos")
    ]


def summarise(
    truth: Truth, incidents: Sequence[IncidentView], notices: Sequence[Notice], *, journaled: int, lost: int
) -> Summary:
    """Compare the run with what really happened."""
    called: dict[str, set[str]] = {}
    for notice in notices:
        called.setdefault(notice.incident, set()).add(notice.responder)
    return Summary(
        source=truth.source,
        messages_published=truth.messages_published,
        messages_journaled=journaled,
        messages_lost=lost,
        score=match(truth, found_in(incidents, notices)),
        incidents=len(incidents),
        notified=sum(incident.id in called for incident in incidents),
        acknowledged=sum(incident.acknowledged_ms is not None for incident in incidents),
        escalated=sum(len(called.get(incident.id, ())) > 1 for incident in incidents),
    )
