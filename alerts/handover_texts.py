"""What somebody who comes on call is told of what is open. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from alerts.lifecycle import TAKEN, State
from alerts.sentences import AREA_TROUBLE, clock_of, kind_name, language_of, local_iso
from alerts.settings import AlertSettings
from alerts.texts import TextMessage
from registry import Directory, ResponderEntry

#: More are on the board.
LISTED = 10
#: What a text message has room for, of the names of areas.
_SHORT_NAMES = {"en": 40, "zh": 20}
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """An incident that is not closed, as the next shift must know it."""

    id: str
    kind: str
    severity: str
    state: State
    person: str | None
    device: str
    area: str
    onset_ms: int
    opened_ms: int
    taken_by: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Who is told: since when they are on call, where and until when (None without an end that is known), what is open
    there (the most urgent first), and which attempt (from 1) this is."""

    id: str
    responder: ResponderEntry
    at_ms: int
    until_ms: Mapping[str, int | None]
    open: Sequence[OpenIncident]
    attempt: int


def notice_body(notice: Notice, known: Directory, settings: AlertSettings, now_ms: int) -> bytes:
    """``{"type": "handover.notify", "timestamp", "data"}``; the fields of ``data`` are in docs/rosters.md."""
    language = language_of(notice.responder.languages)
    text = notice_text(notice, known, settings, now_ms)
    data = {
        "notification": notice.id,
        "responder": notice.responder.id,
        "language": language,
        "sentence": " ".join(text.body.split("\n")),
        "at_ms": notice.at_ms,
        "areas": [
            {"area": area, "area_name": _area_name(known, area), "until_ms": until_ms}
            for area, until_ms in notice.until_ms.items()
        ],
        "open_count": len(notice.open),
        "waiting_count": sum(one.state not in TAKEN for one in notice.open),
        "open": [_open_data(one, known) for one in notice.open[:LISTED]],
        "attempt": notice.attempt,
        "repeat": notice.attempt > 1,
    }
    return _encode({"type": "handover.notify", "timestamp": local_iso(now_ms, settings.zone), "data": data})


def notice_text(
    notice: Notice, known: Directory, settings: AlertSettings, now_ms: int, *, short: bool = False
) -> TextMessage:
    """The same for people to read; ``short`` fits one text message, and has numbers only."""
    language = language_of(notice.responder.languages)
    names = ("、" if language == "zh" else ", ").join(_area_name(known, area) for area in notice.until_ms)
    ends = [until_ms for until_ms in notice.until_ms.values() if until_ms is not None]
    until = clock_of(min(ends), now_ms, settings.zone) if ends else ""
    waiting = sum(one.state not in TAKEN for one in notice.open)
    if short:
        names = names[: _SHORT_NAMES[language]]
    head = _head(language, names, until, len(notice.open), waiting)
    if short:
        return TextMessage("", head)
    lines = [_line(one, known, language, settings, now_ms) for one in notice.open[:LISTED]]
    more = len(notice.open) - LISTED
    if more > 0:
        lines.append(f"另有 {more} 起，见看板。" if language == "zh" else f"{more} more are on the board.")
    title = f"值班开始：{names}" if language == "zh" else f"On call now: {names}"
    return TextMessage(title, "\n".join([head, *lines]))


def _head(language: str, names: str, until: str, count: int, waiting: int) -> str:
    if language == "zh":
        said = f"现有未结警情 {count} 起，其中 {waiting} 起无人接警。" if count else "目前没有未结警情。"
        return f"您现在开始值班：{names}{f'，至 {until}' if until else ''}。{said}"
    said = "Nothing is open." if not count else f"Open: {count}, not taken by anybody: {waiting}."
    return f"You are now on call: {names}{f', until {until}' if until else ''}. {said}"


def _line(one: OpenIncident, known: Directory, language: str, settings: AlertSettings, now_ms: int) -> str:
    person = known.person(one.person) if one.person is not None else None
    who = person.name if person is not None else one.device
    where = (person.address if person is not None else "") or _area_name(known, one.area)
    at = clock_of(one.onset_ms, now_ms, settings.zone)
    by = _responder_name(known, one.taken_by)
    if language == "zh":
        how = {
            State.ACKNOWLEDGED: f"{by}已接警",
            State.EN_ROUTE: f"{by}正在途中",
            State.ON_SCENE: f"{by}已到场",
        }.get(one.state, "无人接警")
        who = "" if one.kind == AREA_TROUBLE else f"{who}，"
        return f"{kind_name(one.kind, language)}：{who}{where}，{at}，{how}。"
    how = {
        State.ACKNOWLEDGED: f"{by} has it",
        State.EN_ROUTE: f"{by} is on the way",
        State.ON_SCENE: f"{by} is there",
    }.get(one.state, "nobody has taken it")
    who = "" if one.kind == AREA_TROUBLE else f"{who}, "
    return f"{kind_name(one.kind, language)}: {who}{where}, at {at}; {how}."


def _open_data(one: OpenIncident, known: Directory) -> dict[str, object]:
    person = known.person(one.person) if one.person is not None else None
    return {
        "incident": one.id,
        "kind": one.kind,
        "severity": one.severity,
        "state": one.state.value,
        "person": person.name if person is not None else "",
        "address": person.address if person is not None else "",
        "area": one.area,
        "device": one.device,
        "onset_ms": one.onset_ms,
        "opened_ms": one.opened_ms,
        "taken_by": one.taken_by,
    }


def _area_name(known: Directory, area: str) -> str:
    entry = known.areas.get(area)
    return entry.name if entry is not None else area


def _responder_name(known: Directory, one: str | None) -> str:
    entry = known.responder(one) if one is not None else None
    return entry.name if entry is not None else one or ""
