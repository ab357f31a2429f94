"""What the API gives and takes. Instants are integer epoch milliseconds, UTC; fields are only ever added in v1."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

EpochMs = Annotated[int, Field(description="epoch milliseconds, UTC")]
GivenMs = Annotated[int, Field(ge=0, le=253_402_300_799_000, description="epoch milliseconds, UTC")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Note = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]


class Taken(BaseModel):
    """A body: unknown fields are refused, so that a mistyped one is not lost."""

    model_config = ConfigDict(extra="forbid")


class ProblemBody(BaseModel):
    """RFC 9457. ``type`` leads to what this kind of problem is."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


class PersonRef(BaseModel):
    """Whom an incident is about."""

    key: str
    name: str
    address: str
    risks: list[str]


class Incident(BaseModel):
    """One incident. ``person`` is null where nobody is known for the device."""

    id: str
    kind: str
    severity: str
    state: str
    outcome: str | None
    area: str
    area_name: str
    device: str
    person: PersonRef | None
    historical: bool
    onset_ms: EpochMs
    opened_ms: EpochMs
    acknowledged_ms: EpochMs | None
    acknowledged_by: str | None
    acknowledged_by_name: str | None
    en_route_ms: EpochMs | None
    on_scene_ms: EpochMs | None
    resolved_ms: EpochMs | None
    resolved_by: str | None
    needed: int = Field(description="how many people have to come")
    also_by: list[str] = Field(description="who comes beside acknowledged_by")
    round: int = Field(description="how often the calls began anew")
    revision: int = Field(description="rises with each change of state")


class IncidentList(BaseModel):
    """A page of incidents, the newest first. ``revision`` differs whenever any incident may have changed."""

    now_ms: EpochMs
    revision: str
    incidents: list[Incident]
    next: str = Field(description="`cursor` of the next page, empty at the end")


class TimelineEntry(BaseModel):
    """Who did what; ``data`` says how and why."""

    at_ms: EpochMs
    what: str
    who: str
    who_name: str
    data: dict[str, Any]


class Message(BaseModel):
    """A message to one responder on one channel, and why it was or was not sent."""

    responder: str
    responder_name: str
    channel: str
    purpose: str
    status: str
    reason: str | None
    created_ms: EpochMs
    done_ms: EpochMs | None
    attempts: int


class Timeline(BaseModel):
    """Everything that happened about one incident, in its order."""

    incident: str
    entries: list[TimelineEntry]
    messages: list[Message]


class Act(Taken):
    """``as`` is the responder in whose name it is done, by who may act for others; else the token's own user."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    actor: Key | None = Field(None, alias="as")
    note: Note = ""


class Resolve(Act):
    """With what it was."""

    outcome: Literal["true", "false_alarm", "test", "device_fault"]


class Refer(Act):
    """``to`` is the id of a responder, or a relation: the first contact of the person of it is told."""

    to: Key


class Done(BaseModel):
    """What became of an action.

    ``answer``: done; already (somebody, ``by``, was first); resolved (too late); noted (written, the calls go on).
    """

    answer: str
    done: bool
    state: str | None = None
    by: str | None = None
    by_name: str | None = None
    at_ms: EpochMs | None = None


class Referred(BaseModel):
    """``answer``: done, already, nobody (no such responder or contact), no_channel (use the phone)."""

    answer: str
    done: bool
    responder: str
    name: str


class Person(BaseModel):
    """Somebody who is cared for; no phone and no door code."""

    key: str
    name: str
    area: str
    area_name: str
    address: str
    language: str
    risks: list[str]
    conditions: list[str]


class PersonList(BaseModel):
    """A page of people, by key."""

    people: list[Person]
    next: str


class Sign(BaseModel):
    """The newest value of a sign; ``counts``: young enough to speak for the person now."""

    name: str
    unit: str
    value: float
    t_ms: EpochMs
    counts: bool


class Score(BaseModel):
    """NEWS2: at least ``lower``, at most ``upper`` where something was not measured. A part is null then."""

    t_ms: EpochMs
    lower: int
    upper: int
    counts: bool
    parts: dict[str, int | None]


class Health(BaseModel):
    """How somebody is now."""

    signs: list[Sign]
    score: Score | None


class PersonDetail(Person):
    """With devices and open incidents; ``health`` is null for who may not see it, or while the store is away."""

    devices: list[str]
    open_incidents: list[str]
    health: Health | None


class Series(BaseModel):
    """Columns of equal length; null where there was nothing.

    ``step_ms`` null: as measured; else each value is the mean over a step, with ``minimum`` and ``maximum``.
    """

    person: str
    from_ms: EpochMs
    to_ms: EpochMs
    step_ms: int | None
    units: dict[str, str]
    t_ms: list[int]
    values: dict[str, list[float | None]]
    minimum: dict[str, list[float | None]]
    maximum: dict[str, list[float | None]]


class Fault(BaseModel):
    """What is wrong with a device, since when."""

    kind: str
    severity: str
    onset_ms: EpochMs


class Device(BaseModel):
    """A device and how it is. ``person`` is empty for a token that does not see people."""

    id: str
    kind: str
    placement: str
    model: str
    area: str
    person: str
    link: str = Field(description="online, silent, never")
    heard_ms: EpochMs | None
    battery_pct: float | None
    battery_ms: EpochMs | None
    lag_ms: float | None
    firmware: str
    faults: list[Fault]


class DeviceList(BaseModel):
    """A page of devices, by id. ``trouble``: why nothing is known of how they are; empty where it is."""

    devices: list[Device]
    trouble: str
    next: str


class Gap(BaseModel):
    """Nobody of the area's own order is on call; ``held_by``: the area above that has somebody, empty for none."""

    begin_ms: EpochMs
    end_ms: EpochMs
    held_by: str


class AreaCoverage(BaseModel):
    """One area without those below it."""

    area: str
    name: str
    people: int
    placed: int = Field(description="of them with coordinates")
    uncovered: int = Field(description="of those nobody reaches in 15 minutes")
    on_call: int
    gaps: list[Gap] = Field(description="of the next seven days")


class Coverage(BaseModel):
    """The state at ``at_ms``; made anew each minute."""

    at_ms: EpochMs
    areas: list[AreaCoverage]


class OnDuty(BaseModel):
    """Who is on call, first called first. ``until_ms`` null: no end in sight."""

    responder: str
    name: str
    layer: int
    roster: str
    until_ms: EpochMs | None


class AreaDuty(BaseModel):
    """An area and who is on call in its own order; nobody: the next area above is called."""

    area: str
    name: str
    on_call: list[OnDuty]


class OnCallNow(BaseModel):
    """On call at ``at_ms``."""

    at_ms: EpochMs
    areas: list[AreaDuty]


class TellPresence(Taken):
    """Where a responder is (a place counts for half an hour; none: at their base), or that they cannot come."""

    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    available: bool = True
    at_ms: GivenMs | None = Field(None, description="when it was so, by the clock of the phone; now unless given")


class Presence(BaseModel):
    """The newest report of a responder."""

    responder: str
    at_ms: EpochMs
    lat: float | None
    lon: float | None
    available: bool


class Visit(BaseModel):
    """A visit or call that is due; ``state`` null: open until ``deadline_ms``."""

    plan: str
    person: str
    kind: str
    due_ms: EpochMs
    deadline_ms: EpochMs
    state: str | None
    who: str
    at_ms: EpochMs | None
    note: str


class VisitList(BaseModel):
    """Visits by the time when they are due."""

    visits: list[Visit]


class TellVisit(Taken):
    """``on`` is the local day of the visit where it is not the last one due."""

    on: Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = ""
    note: Note = ""


class Silence(BaseModel):
    """Nobody is called for findings about one area, person or device; an SOS is never silent."""

    id: str
    area: str | None
    person: str | None
    device: str | None
    kinds: list[str]
    begin_ms: EpochMs
    end_ms: EpochMs
    reason: str


class SilenceList(BaseModel):
    """Silences that hold or are to come."""

    silences: list[Silence]


class NewSilence(Taken):
    """For exactly one of area, person and device, at most 92 days."""

    id: Key
    area: Annotated[str, Field(max_length=255)] | None = None
    person: Key | None = None
    device: Key | None = None
    kinds: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=50)] = []
    begin_ms: GivenMs | None = None
    end_ms: GivenMs
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class FigureRow(BaseModel):
    """One row: ``by`` is all, area, station, hour, responder or provider; what does not apply is absent.

    ``soon`` is answered within 60 s, ``late`` within 180 s, ``door`` at the door within 15 min: ``_hits`` of ``_of``,
    and the ``_share``.
    """

    by: str
    key: str
    name: str
    figures: dict[str, float | str]


class Figures(BaseModel):
    """From ``from_ms`` to before ``to_ms``: whole local days."""

    from_ms: EpochMs
    to_ms: EpochMs
    rows: list[FigureRow]
