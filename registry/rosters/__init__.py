"""Rosters: who is on call when. Pure: values and instants in, values out."""

from __future__ import annotations

from registry.rosters.duty import Rosters, gaps, hand_overs, on_call
from registry.rosters.feed import responder_feed
from registry.rosters.shifts import shifts
from registry.rosters.values import Gap, HandOver, How, Idle, OnDuty, Override, Roster, Shift

__all__ = [
    "Gap",
    "HandOver",
    "How",
    "Idle",
    "OnDuty",
    "Override",
    "Roster",
    "Rosters",
    "Shift",
    "gaps",
    "hand_overs",
    "on_call",
    "responder_feed",
    "shifts",
]
