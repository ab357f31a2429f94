"""Who is on call for an area at an instant, when nobody is, and when it passes from one to the other. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

from registry.entries import parent_of
from registry.rosters.hours import Interval, clip, without
from registry.rosters.shifts import shift_at, shifts, until_ms
from registry.rosters.values import DAY_MS, Gap, HandOver, How, Idle, OnDuty, Roster, Shift

#: How far ahead it is looked for the end of somebody's duty.
_AHEAD_MS = 42 * DAY_MS


@dataclass(frozen=True)
class Rosters:
    """All on-call orders. ``by_area`` has the rosters of each area in the order of their layers; ``standing`` the plain
    orders, in which everybody is always on call: they are called after the rosters of the same area."""

    by_area: Mapping[str, tuple[Roster, ...]] = field(default_factory=dict)
    standing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def has_order(self, area: str) -> bool:
        """Whether the area has an order of its own."""
        return bool(self.by_area.get(area) or self.standing.get(area))


def on_call(rosters: Rosters, area: str, at_ms: int) -> tuple[OnDuty, ...]:
    """Who is on call in the area's own order, first called first, each once; () when nobody is or it has no order."""
    found: dict[str, OnDuty] = {}
    for roster in rosters.by_area.get(area, ()):
        shift = shift_at(roster, at_ms)
        for one in shift.responders:
            if one not in found:
                off_ms = until_ms(roster, one, at_ms, at_ms + _AHEAD_MS)
                found[one] = OnDuty(one, area, roster.layer, roster.id, shift.how, shift.by, off_ms)
    for one in rosters.standing.get(area, ()):
        found.setdefault(one, OnDuty(one, area, 0, "", How.STANDING, "", None))
    return tuple(found.values())


def holder(rosters: Rosters, tiers: Iterable[str]) -> str | None:
    """Of an area and its parents, nearest first: the first that has an order of its own."""
    return next((area for area in tiers if rosters.has_order(area)), None)


def gaps(
    rosters: Rosters,
    areas: Iterable[str],
    from_ms: int,
    to_ms: int,
    *,
    able: Container[str] | None = None,
) -> list[Gap]:
    """When nobody is on call, for each area that has an order of its own; by area, then in order.

    ``areas`` is the whole tree. An area without an order is in the hands of its parent, whose gaps are named once, with
    the parent. The top of the tree must have an order: without one it is a gap from end to end. Of those on call only
    who is in ``able`` counts (who has a channel); None counts everybody.
    """
    tree = set(areas)
    covered = {area: _covered(rosters, area, from_ms, to_ms, able) for area in tree if rosters.has_order(area)}
    found: list[Gap] = []
    for area in sorted(tree):
        if area in covered:
            for begin_ms, end_ms, reasons in _own_gaps(rosters, area, covered[area], from_ms, to_ms):
                found += _held(area, begin_ms, end_ms, reasons, tree, covered)
        elif parent_of(area) not in tree:
            found.append(Gap(area, from_ms, to_ms, (("", Idle.NO_ORDER),), ""))
    return found


def _able(names: Iterable[str], able: Container[str] | None) -> bool:
    return any(able is None or name in able for name in names)


def _covered(rosters: Rosters, area: str, from_ms: int, to_ms: int, able: Container[str] | None) -> list[Interval]:
    if _able(rosters.standing.get(area, ()), able):
        return [(from_ms, to_ms)]
    manned = [
        (shift.begin_ms, shift.end_ms)
        for roster in rosters.by_area.get(area, ())
        for shift in shifts(roster, from_ms, to_ms)
        if _able(shift.responders, able)
    ]
    return clip(manned, from_ms, to_ms)


def _own_gaps(
    rosters: Rosters, area: str, covered: list[Interval], from_ms: int, to_ms: int
) -> Iterable[tuple[int, int, tuple[tuple[str, Idle], ...]]]:
    """The holes in ``covered``, cut where a reason changes."""
    own = rosters.by_area.get(area, ())
    for begin_ms, end_ms in without([(from_ms, to_ms)], covered):
        plans = {roster.id: shifts(roster, begin_ms, end_ms) for roster in own}
        cuts = sorted({begin_ms, end_ms, *(shift.begin_ms for plan in plans.values() for shift in plan)})
        before: tuple[int, int, tuple[tuple[str, Idle], ...]] | None = None
        for cut_from, cut_to in pairwise(cuts):
            reasons = [(name, _reason(plan, cut_from)) for name, plan in plans.items()]
            if rosters.standing.get(area):
                reasons.append(("", Idle.NO_CHANNEL))
            if before is not None and before[2] == tuple(reasons):
                before = (before[0], cut_to, before[2])
                continue
            if before is not None:
                yield before
            before = (cut_from, cut_to, tuple(reasons))
        if before is not None:
            yield before


def _reason(plan: list[Shift], at_ms: int) -> Idle:
    shift = next(shift for shift in plan if shift.begin_ms <= at_ms < shift.end_ms)
    return shift.idle or Idle.NO_CHANNEL


def _held(
    area: str,
    begin_ms: int,
    end_ms: int,
    reasons: tuple[tuple[str, Idle], ...],
    tree: set[str],
    covered: Mapping[str, list[Interval]],
) -> list[Gap]:
    found: list[Gap] = []
    left: list[Interval] = [(begin_ms, end_ms)]
    above = parent_of(area)
    while above is not None and left:
        if above in tree:
            rest = without(left, covered.get(above, []))
            found += [Gap(area, *span, reasons, above) for span in without(left, rest)]
            left = rest
        above = parent_of(above)
    found += [Gap(area, *span, reasons, "") for span in left]
    return sorted(found, key=lambda gap: gap.begin_ms)


def hand_overs(rosters: Rosters, from_ms: int, to_ms: int) -> list[HandOver]:
    """Where in each roster other people are on than just before, from ``from_ms`` up to before ``to_ms``; in order."""
    found: list[HandOver] = []
    for area, own in rosters.by_area.items():
        for roster in own:
            plan = shifts(roster, from_ms - 1, to_ms)
            for before, after in pairwise(plan):
                gone = tuple(name for name in before.responders if name not in after.responders)
                come = tuple(name for name in after.responders if name not in before.responders)
                if gone or come:
                    found.append(HandOver(after.begin_ms, area, roster.id, roster.layer, gone, come))
    return sorted(found, key=lambda one: (one.at_ms, one.area, one.layer, one.roster))


def duty_of(rosters: Rosters, responder: str, from_ms: int, to_ms: int) -> list[tuple[Roster, Shift]]:
    """The shifts of one responder that meet the span, in order. They are whole, unless longer than six weeks."""
    found: list[tuple[Roster, Shift]] = []
    for own in rosters.by_area.values():
        for roster in own:
            if not _may_have(roster, responder):
                continue
            around = max(_AHEAD_MS, (roster.turn_days + 1) * DAY_MS)
            whole = _of(responder, shifts(roster, from_ms - around, to_ms + around))
            found += [(roster, shift) for shift in whole if shift.begin_ms < to_ms and shift.end_ms > from_ms]
    return sorted(found, key=lambda pair: (pair[1].begin_ms, pair[0].area, pair[0].layer, pair[0].id))


def _may_have(roster: Roster, responder: str) -> bool:
    named = (*roster.turns, *((*one.responders, *(one.swap or ())) for one in roster.overrides))
    return bool(roster.calendar) or any(responder in names for names in named)


def _of(responder: str, plan: Iterable[Shift]) -> Iterable[Shift]:
    """The shifts with the responder; what changes for others only does not part them."""
    before: Shift | None = None
    for shift in plan:
        same = before is not None and before.end_ms == shift.begin_ms and before.turn_ms == shift.turn_ms
        if responder in shift.responders and before is not None and same and before.by == shift.by:
            before = replace(before, end_ms=shift.end_ms)
            continue
        if before is not None:
            yield before
        before = shift if responder in shift.responders else None
    if before is not None:
        yield before
