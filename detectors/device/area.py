"""Silence that devices have in common: one finding for the smallest area that explains it.

A power cut or a dead router silences devices that were heard until it happened, and nobody of them afterwards. So the
devices of an area are counted in three: *mute* (overdue by half of their limit, and last heard about when the others
were), *alive* (heard clearly later), and those of which nothing can be known yet, because they speak too seldom.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.detection import Severity
from detectors.device.area_tree import AreaTree, Place
from detectors.device.columns import NEVER_MS, Finding, Rows
from detectors.device.link_parameters import AreaParameters

AREA_OFFLINE = "area_offline"
#: The row of a finding that is about no single device.
NO_ROW = -1
#: Of its limit, a device is overdue after so much, and was last heard about then within so much.
_OVERDUE, _ABOUT = 0.5, 0.4
_NOWHERE = -1

Mask = NDArray[np.bool_]


class Judged(NamedTuple):
    """What silence amounts to: findings about areas, their members, and devices that are silent by themselves."""

    found: list[Finding]
    members: Rows
    alone: Rows


class _Count(NamedTuple):
    mute: Rows
    alive: int
    waiting: int  # not known yet, but soon
    last_ms: int  # when the mute were last heard

    def is_silent(self, p: AreaParameters) -> bool:
        return _most(len(self.mute), self.alive, p)

    def may_be_silent(self, p: AreaParameters) -> bool:
        return _most(len(self.mute) + self.waiting, self.alive, p)


class _Standing(NamedTuple):
    onset_ms: int
    first: Rows  # who was silent when it was found: they speak often, and tell when it is over
    members: Rows


class Areas:
    """The areas that are silent, and those that may be."""

    def __init__(self, parameters: AreaParameters) -> None:
        self.parameters = parameters
        self.tree = AreaTree()
        self.standing: dict[Place, _Standing] = {}

    def place(self, row: int, area: str, person: str | None) -> None:
        """A device, or where it is now."""
        self.tree.place(row, area, person)

    def judge(self, silent: Rows, view: dict[str, NDArray[Any]], at_ms: int) -> Judged:
        """Tell common silence from that of single devices.

        Args:
            silent: rows that have become due and belong to no finding.
            view: of all rows: ``last_ms``, ``base_ms`` (from where silence counts), ``due_ms``, ``limit_ms``, ``dead``
                (silent beyond doubt), ``counts`` (False for devices that do not speak for their area).
            at_ms: now.
        """
        p, tree = self.parameters, self.tree
        standing = {tree.number(place): place for place in self.standing}
        leaves, leaf_of = np.unique(tree.nodes(silent), return_inverse=True)
        paths = [tree.above(leaf) for leaf in leaves.tolist()]
        within = [next((node for node in reversed(path) if node in standing), _NOWHERE) for path in paths]
        latest = np.zeros(len(leaves), np.int64)
        np.maximum.at(latest, leaf_of, view["last_ms"][silent])
        first_due = np.full(len(leaves), NEVER_MS)
        np.minimum.at(first_due, leaf_of, view["due_ms"][silent])
        latest_ms: dict[int, int] = {}
        first_due_ms: dict[int, int] = {}
        for leaf, path in enumerate(paths):
            for node in path if within[leaf] == _NOWHERE else ():
                latest_ms[node] = max(latest_ms.get(node, 0), int(latest[leaf]))
                first_due_ms[node] = min(first_due_ms.get(node, at_ms), int(first_due[leaf]))
        counts = {
            node: count
            for node, last_ms in latest_ms.items()
            if (count := self._count(tree.rows(node), last_ms, view, at_ms)).may_be_silent(p)
        }
        settled = {
            node: count
            for node, count in counts.items()
            if count.is_silent(p) and at_ms >= first_due_ms[node] + p.settle_s * 1000
        }
        home_of = np.array(within, np.intp)[leaf_of]
        taken = [silent[home_of != _NOWHERE]]
        for node in set(within) - {_NOWHERE}:
            before = self.standing[standing[node]]
            members = np.union1d(before.members, silent[home_of == node])
            self.standing[standing[node]] = before._replace(members=members)
        found = []
        for node in self._explain(settled):
            found += self._begin(node, settled[node], at_ms)
            taken.append(settled[node].mute)
        members = np.concatenate(taken)
        waits = np.array([any(node in counts for node in path) for path in paths])[leaf_of]
        waits &= at_ms < view["due_ms"][silent] + int(p.hold_s * 1000)
        return Judged(found, members, np.setdiff1d(silent[~waits], members))

    def returned(self, back: Mask, at_ms: int) -> tuple[list[Finding], Rows, Rows]:
        """Areas most of whose devices are ``back``, ``(n,)``: the ends of their findings, the rows set free, and all
        rows of these areas: what speaks seldom is back as well and has not had the time to say so."""
        found, freed, there = [], [np.zeros(0, np.intp)], [np.zeros(0, np.intp)]
        for place, standing in list(self.standing.items()):
            back_pct = 100.0 * float(back[standing.first].mean())
            if back_pct >= self.parameters.returned_pct:
                features = {"back_pct": round(back_pct, 1), "limit_back_pct": self.parameters.returned_pct}
                found.append(self._end(place, at_ms, features))
                freed.append(standing.members)
                there.append(self.tree.rows(self.tree.number(place)))
        return found, np.concatenate(freed), np.concatenate(there)

    def _count(self, rows: Rows, latest_ms: int, view: dict[str, NDArray[Any]], at_ms: int) -> _Count:
        """The devices of an area of which a silent one was last heard at ``latest_ms``."""
        rows = rows[view["counts"][rows]]
        last_ms, limit_ms = view["last_ms"][rows], view["limit_ms"][rows].astype(np.float64)
        apart_ms = self.parameters.apart_s * 1000
        age_ms = at_ms - view["base_ms"][rows]
        mute = (view["dead"][rows] | (age_ms >= _OVERDUE * limit_ms)) & (
            last_ms >= latest_ms - np.maximum(apart_ms, np.minimum(_ABOUT * limit_ms, float(NEVER_MS)))
        )
        alive = ~mute & (last_ms > latest_ms + apart_ms / 2)
        soon = ~mute & ~alive & (_OVERDUE * limit_ms - age_ms <= self.parameters.hold_s * 1000)
        heard_ms = int(last_ms[mute].max(initial=0))
        return _Count(rows[mute], int(alive.sum()), int(soon.sum()), heard_ms)

    def _explain(self, silent: dict[int, _Count]) -> list[int]:
        """The smallest places that explain the silence, from the widest down."""
        tops = [node for node in silent if not any(parent in silent for parent in self.tree.above(node)[1:])]
        return [self._smallest(node, silent) for node in tops]

    def _smallest(self, node: int, silent: dict[int, _Count]) -> int:
        while True:
            inner = [child for child in self.tree.children.get(node, ()) if child in silent]
            if len(inner) != 1:
                return node
            outside_mute = len(silent[node].mute) - len(silent[inner[0]].mute)
            outside = outside_mute + silent[node].alive - silent[inner[0]].alive
            if outside_mute and 100.0 * outside_mute >= self.parameters.healthy_pct * outside:
                return node
            node = inner[0]

    def _begin(self, node: int, count: _Count, at_ms: int) -> list[Finding]:
        p, place = self.parameters, self.tree.places[node]
        found, members = [], count.mute
        for other in list(self.standing):
            if node in self.tree.above(self.tree.number(other)):  # the smaller part of what is seen whole now
                members = np.union1d(members, self.standing[other].members)
                found.append(self._end(other, at_ms, {}, {"wider_area": place.area}))
        self.standing[place] = _Standing(count.last_ms, count.mute, members)
        features = {
            "silent_devices": float(len(count.mute)),
            "known_devices": float(len(count.mute) + count.alive),
            "silent_pct": round(100.0 * len(count.mute) / (len(count.mute) + count.alive), 1),
            "silent_s": (at_ms - count.last_ms) / 1000.0,
            "limit_silent_pct": p.silent_pct,
            "limit_silent_devices": p.silent_devices,
        }
        severity = Severity.WARNING if place.person else Severity.URGENT
        found.append(Finding(NO_ROW, AREA_OFFLINE, False, count.last_ms, severity, features, _notes(place)))
        return found

    def _end(
        self, place: Place, at_ms: int, features: dict[str, float], notes: dict[str, str] | None = None
    ) -> Finding:
        standing = self.standing.pop(place)
        features = {"silent_s": (at_ms - standing.onset_ms) / 1000.0, **features}
        notes = _notes(place) | (notes or {})
        return Finding(NO_ROW, AREA_OFFLINE, True, standing.onset_ms, Severity.INFO, features, notes)

    def set_back(self, at_ms: int) -> None:
        """The clock stands at ``at_ms`` and had been ahead."""
        for place, one in self.standing.items():
            self.standing[place] = one._replace(onset_ms=min(one.onset_ms, at_ms))

    def state(self) -> list[tuple[str, str, int, list[int], list[int]]]:
        """For a checkpoint: the areas that are silent. The tree is made anew from the devices."""
        return [
            (*place, one.onset_ms, one.first.tolist(), one.members.tolist()) for place, one in self.standing.items()
        ]

    def restore(self, state: list[tuple[str, str, int, list[int], list[int]]]) -> None:
        """From a checkpoint."""
        self.standing = {
            Place(area, person): _Standing(onset_ms, np.array(first, np.intp), np.array(members, np.intp))
            for area, person, onset_ms, first, members in state
        }


def _most(mute: int, alive: int, p: AreaParameters) -> bool:
    return mute >= p.silent_devices and 100.0 * mute >= p.silent_pct * (mute + alive)


def _notes(place: Place) -> dict[str, str]:
    return {"area": place.area} | ({"home": place.person} if place.person else {})
