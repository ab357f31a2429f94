"""One row of each table: the same type in an import file, in the database and in the directory.

Ranges and patterns stand in the type and are checked when a row is read from a file. An absent text is ``""``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from telemetry.topics import DEVICE_PATTERN

PATH_PATTERN = r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64})*"

Path = Annotated[str, Meta(pattern=f"^{PATH_PATTERN}$", max_length=255)]
Key = Annotated[str, Meta(pattern="^[A-Za-z0-9_.:-]{1,64}$")]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=1000)]
Word = Annotated[str, Meta(max_length=64)]
Language = Annotated[str, Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=16)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
#: Operating points of the fall detector; "" leaves the choice to the settings.
FallPoint = Literal["", "sensitive", "balanced", "quiet"]
#: What of a person may have a limit of their own, as the vitals detector names it.
LIMITS: tuple[str, ...] = (
    "sbp_high_mmhg", "dbp_high_mmhg", "sbp_mean_mmhg", "hr_fast_bpm", "glucose_low_mmol_l", "glucose_very_low_mmol_l",
    "glucose_high_mmol_l", "glucose_very_high_mmol_l", "weight_gain_kg", "weight_loss_pct", "resting_hr_rise_bpm",
    "sbp_rise_mmhg",
)  # fmt: skip
Limit = Annotated[float, Meta(gt=0, le=1000)]
#: Among the risks of a person: nobody is there who would notice.
LIVES_ALONE = "lives_alone"
#: What somebody is to a person. Other words are taken too; these have a meaning.
RELATIONS: tuple[str, ...] = ("family", "friend", "neighbour", "volunteer", "family_doctor", "hospital_team")
Relation = Annotated[str, Meta(min_length=1, max_length=64)]
#: How somebody gets to a door; "" is not known.
Travel = Literal["", "walk", "bicycle", "ebike", "car"]
#: A local time, ``2026-03-02T08:00``, with an offset where it is meant elsewhere.
Moment = Annotated[str, Meta(pattern=r"^(\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?)?$")]


class AreaEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A district, street, community ... The dotted ``path`` is its place in the tree."""

    path: Path
    name: Name


class PersonEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is cared for. ``key`` is a pseudonym: it is all of this that leaves the registry."""

    key: Key
    name: Name
    area: Path
    address: Text = ""
    lat: Latitude | None = None
    lon: Longitude | None = None
    language: Language = "en"
    phone: Word = ""
    door_code: Word = ""  # for who is on the way; no directory has it
    risks: tuple[Word, ...] = ()  # lives_alone, disabled, very_old, dementia ...
    fall_point: FallPoint = ""  # how readily motion is called a fall
    conditions: tuple[Word, ...] = ()  # hypertension, diabetes, heart_failure change limits; others are kept
    spo2_scale: Literal[1, 2] = 1  # of NEWS2; 2 for whom a clinician has set 88 to 92 %
    limits: dict[Word, Limit] = {}  # own ones, by the names of LIMITS
    residents: Annotated[int, Meta(ge=1, le=100)] = 1  # who live in this home, with this person
    pets: bool = False


class DeviceEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A wearable or home sensor. ``area`` None means that of its person; in a directory it is filled in."""

    id: Annotated[str, Meta(pattern=f"^{DEVICE_PATTERN}$")]
    person: Key | None = None
    area: Path | None = None
    kind: Word = "wearable"  # wearable, button, hub, bed, ...
    placement: Word = ""  # waist, wrist, hip, pocket, or the room of a home sensor
    model: Text = ""


class ChannelEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to reach a responder: ``webhook`` (with url and secret), ``apprise`` (with the url of one of its
    services), ``siren`` (the url is the id of a device) or ``console``. ``per_minute``: no more messages than that."""

    type: Annotated[str, Meta(pattern="^[a-z_]{1,32}$")]
    url: Text = ""
    secret: Text = ""
    per_minute: Annotated[int, Meta(ge=1, le=6000)] | None = None


class ResponderEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who can go. The first of ``languages`` is the one that messages are written in; ``lat`` and ``lon`` are
    where they set out from, unless they report where they are."""

    id: Key
    name: Name
    area: Path
    lat: Latitude | None = None
    lon: Longitude | None = None
    phone: Word = ""
    languages: Annotated[tuple[Language, ...], Meta(min_length=1)] = ("en",)
    roles: tuple[Word, ...] = ()
    channels: tuple[ChannelEntry, ...] = ()
    travel: Travel = ""
    provider: Text = ""  # the organisation they belong to
    contact_of: Word = ""  # the person whose row in contacts made this entry


class ContactEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``responder`` stands by ``person`` as their ``relation``, at ``position`` (from 1) among those of the same.
    ``notify``: told at every emergency, or only where a step of a policy names the relation."""

    person: Key
    responder: Key
    relation: Relation
    position: Annotated[int, Meta(ge=1, le=1000)] = 1
    notify: Literal["policy", "always"] = "policy"
    has_key: bool = False  # to the door


class OnCallEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``responder`` stands at ``position`` (from 1) in the on-call order of ``area``."""

    area: Path
    position: Annotated[int, Meta(ge=1, le=1000)]
    responder: Key


class HolidayEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day that is no working day in ``area`` and below it; or, with ``workday``, one at a weekend that is."""

    area: Path
    date: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    workday: bool = False
    name: Text = ""


class RosterEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is on call in ``area`` by turns. ``start`` is local: the first turn begins, and the time of day is that of
    every hand-over. ``calendar`` is an iCalendar text in the place of turns and hours."""

    id: Key
    area: Path
    zone: Word  # IANA name
    layer: Annotated[int, Meta(ge=1, le=100)] = 1
    start: Moment = ""
    end: Moment = ""
    turn_days: Annotated[int, Meta(ge=1, le=366)] = 7
    turns: tuple[Text, ...] = ()  # "li" or "li + wang"
    hours: tuple[Text, ...] = ()  # "mon-fri 08:00-18:00"; none: always
    calendar: str = ""


class OverrideEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from a roster from ``begin`` to ``end``: two who ``swap``; ``responders`` ``instead_of`` somebody;
    or ``responders`` in the place of the whole shift (nobody, when none are named)."""

    id: Key
    roster: Key
    begin: Moment
    end: Moment
    responders: tuple[Key, ...] = ()
    instead_of: Word = ""
    swap: tuple[Key, ...] = ()
    note: Text = ""


class VisitEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visit to, or call of, somebody that is due again and again: first at ``start`` (local), then ``every`` so many
    units, missed when it is not done ``within_h`` later. ``responder`` is who makes it, where that is one person."""

    id: Key
    person: Key
    kind: Literal["call", "visit"] = "visit"
    zone: Word  # IANA name
    start: Moment
    end: Moment = ""
    every: Annotated[int, Meta(ge=1, le=366)] = 1
    unit: Literal["day", "week", "month"] = "week"
    within_h: Annotated[float, Meta(gt=0, le=744)] = 24.0
    responder: Word = ""


class PolicyStep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a policy calls: those on call who fit all of ``tier``, ``layer`` and ``role``; or ``responders`` by name; or
    the contacts of the person who are their ``relation``, on call or not."""

    tier: Literal["", "own", "above", "desk"] = ""  # the person's area, all between, the root area
    layer: Annotated[int, Meta(ge=1, le=100)] | None = None  # of rosters
    role: Word = ""
    responders: tuple[Key, ...] = ()
    after_s: Annotated[float, Meta(ge=1, le=86_400)] = 30.0  # how long each has before the next is called
    together: bool = False  # all of the step at once
    channels: tuple[Literal["webhook", "apprise", "siren", "console"], ...] = ()  # none: all
    workdays: bool = False  # on working days only
    relation: Word = ""  # neighbours and volunteers the nearest first
    within_min: Annotated[float, Meta(gt=0, le=600)] | None = None  # of a relation: so far from the door at most
    beside: bool = False  # told with the first call, which does not wait for it
    counts: bool | None = None  # whether who answers has taken it; None: not family, friends and who is called beside
    emergency: bool = False  # those with the role "emergency"; their message says all that they have to know


class PolicyEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How incidents of ``area`` and below are carried to people. ``kinds``: of these only; none: of all."""

    id: Key
    area: Path
    kinds: tuple[Word, ...] = ()
    zone: Word = "Asia/Shanghai"  # IANA name; it says when a working day begins
    steps: Annotated[tuple[PolicyStep, ...], Meta(min_length=1, max_length=50)]
    repeat_s: Annotated[float, Meta(ge=10, le=86_400)] = 120.0  # from the last call to the first of the next round
    arrival_s: Annotated[float, Meta(ge=60, le=86_400)] = 900.0
    resolve_h: Annotated[float, Meta(gt=0, le=720)] | None = None  # open for so long: the desk is told
    ask_wearer: bool = True  # False is the same as ask: never
    ask: Literal["immediate", "first", "never"] = "immediate"  # the wearer: beside the calls, before them, not at all
    prompt_s: Annotated[float, Meta(ge=5, le=600)] | None = None  # how long the question stands; None: the settings'
    acknowledgements: Annotated[int, Meta(ge=1, le=5)] = 1  # so many different people; the calls go on until then


class SilenceEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From ``begin`` to ``end`` (local) nobody is called for findings about an area and below, a person or a device:
    about one of them. ``kinds``: for these only; an SOS is never silent."""

    id: Key
    area: Path | None = None
    person: Key | None = None
    device: Annotated[str, Meta(pattern=f"^{DEVICE_PATTERN}$")] | None = None
    kinds: tuple[Word, ...] = ()
    zone: Word = "Asia/Shanghai"  # IANA name
    begin: Moment
    end: Moment
    reason: Name


Entry = (
    AreaEntry
    | PersonEntry
    | DeviceEntry
    | ResponderEntry
    | ContactEntry
    | OnCallEntry
    | HolidayEntry
    | RosterEntry
    | OverrideEntry
    | VisitEntry
    | PolicyEntry
    | SilenceEntry
)
EntryKey = str | tuple[str, int | str]

#: table -> type, in the order in which rows can be inserted.
TYPES: dict[str, type[Entry]] = {
    "areas": AreaEntry,
    "people": PersonEntry,
    "responders": ResponderEntry,
    "contacts": ContactEntry,
    "devices": DeviceEntry,
    "on_call": OnCallEntry,
    "holidays": HolidayEntry,
    "rosters": RosterEntry,
    "roster_overrides": OverrideEntry,
    "visits": VisitEntry,
    "policies": PolicyEntry,
    "silences": SilenceEntry,
}


def key_of(entry: Entry) -> EntryKey:
    """What makes a row the same row: its path, key, id, (area, position), (area, date) or (person, responder)."""
    if isinstance(entry, AreaEntry):
        return entry.path
    if isinstance(entry, PersonEntry):
        return entry.key
    if isinstance(entry, OnCallEntry):
        return (entry.area, entry.position)
    if isinstance(entry, HolidayEntry):
        return (entry.area, entry.date)
    if isinstance(entry, ContactEntry):
        return (entry.person, entry.responder)
    return entry.id


def parent_of(path: str) -> str | None:
    """The path one level up, or None at the top."""
    head, dot, _ = path.rpartition(".")
    return head if dot else None
