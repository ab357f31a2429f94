"""What the demo's run came to, against the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from alerts.queries import IncidentView
from carecircle.demo.responders import Notice
from firmware_sim.scoring import Found, Score, match
from firmware_sim.scoring_quarantine import Quarantined
from firmware_sim.truth import Truth


@dataclass(frozen=True, slots=True)
class Summary:
    """Messages are unique (device, stream, boot, seq); notified, acknowledged and escalated count incidents."""

    source: str
    messages_published: int
    messages_journaled: int
    messages_lost: int
    score: Score
    truth: Truth
    incidents: int
    notified: int
    acknowledged: int
    escalated: int

    @property
    def failed(self) -> bool:
        """Whether a message was lost or a fall or SOS missed."""
        return bool(self.messages_lost or self.score.falls_missed or self.score.sos_missed)

    def as_json(self) -> dict[str, Any]:
        """The keys that ``carecircle demo --json`` promises; ``kinds`` is a list of :class:`KindScore`."""
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
            "kinds": msgspec.to_builtins(self.score.kinds),
        }


def told(notices: Sequence[Notice]) -> dict[str, list[int]]:
    """Incident -> the instants at which a responder heard of it, measured where the messages arrive."""
    instants: dict[str, list[int]] = {}
    for notice in notices:
        instants.setdefault(notice.incident, []).append(notice.at_ms)
    return instants


def summarise(
    truth: Truth,
    incidents: Sequence[IncidentView],
    notices: Sequence[Notice],
    found: Sequence[Found],
    refused: Sequence[Quarantined] = (),
    *,
    journaled: int,
    lost: int,
) -> Summary:
    """Compare the run with what really happened; ``found`` and ``refused`` are what the system made of it."""
    called: dict[str, set[str]] = {}
    for notice in notices:
        called.setdefault(notice.incident, set()).add(notice.responder)
    return Summary(
        source=truth.source,
        messages_published=truth.messages_published,
        messages_journaled=journaled,
        messages_lost=lost,
        score=match(truth, found, refused),
        truth=truth,
        incidents=len(incidents),
        notified=sum(incident.id in called for incident in incidents),
        acknowledged=sum(incident.acknowledged_ms is not None for incident in incidents),
        escalated=sum(len(called.get(incident.id, ())) > 1 for incident in incidents),
    )
