"""What this system found, out of its own database and quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from alerts import models
from alerts.delivery import Purpose, Status
from carecircle.score.errors import ScoreError
from detectors.detection import Stage
from firmware_sim.scoring import HIT_MS, Found
from firmware_sim.scoring_quarantine import Quarantined
from firmware_sim.truth import Fall, Happening, Press, Truth
from journal.quarantine import Filter, iter_entries

#: A finding may begin so long after the run: what its last messages lead to.
_AFTER_MS = 900_000
#: The wearer's own answer is no finding.
_NOT_FOUND = ("cancel",)
#: A channel that tells nobody who does not look.
_BOARD = "console"
_CALLS = (Purpose.CALL.value, Purpose.BESIDE.value)


def reported(engine: Engine, truth: Truth, *, told: Mapping[str, Iterable[int]] | None = None) -> list[Found]:
    """The confirmed findings of the time of a run and of its devices.

    Args:
        engine: the database of registry and incidents.
        truth: of the run.
        told: incident -> instants at which responders heard of it, where that was measured at their end; by default
            when their channels took the message.

    Raises:
        ScoreError: the database cannot be read.
    """
    table = models.evidence
    query = select(table).where(
        table.c.stage == Stage.CONFIRMED.value,
        table.c.kind.not_in(_NOT_FOUND),
        table.c.onset_ms.between(truth.start_ms - HIT_MS, truth.end_ms + _AFTER_MS),
    )
    sent = models.notification
    calls = select(sent.c.incident, sent.c.done_ms).where(
        sent.c.status == Status.SENT.value,
        sent.c.purpose.in_(_CALLS),
        sent.c.done_ms.is_not(None),
        sent.c.channel != _BOARD,
    )
    try:
        with engine.connect() as connection:
            rows = connection.execute(query.order_by(table.c.taken_ms, table.c.detection)).all()
            if told is None:
                called: dict[str, list[int]] = defaultdict(list)
                for incident, done_ms in connection.execute(calls):
                    called[incident].append(done_ms)
                told = called
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        where = engine.url.render_as_string(hide_password=True)
        raise ScoreError(f"{where} cannot be read ({said}): name the database of the system that was tested") from None
    devices, people = of_run(truth)
    return [
        Found(
            kind=row.kind,
            device=row.device,
            person=row.person,
            onset_ms=row.onset_ms,
            detected_ms=row.decided_ms,
            notified_ms=_first_told(told.get(row.incident, ()), row.onset_ms),
            recv_ms=row.recv_ms,
            incident=row.incident or "",
            alarm=row.incident is not None,
            historical=row.historical,
        )
        for row in rows
        if row.device in devices or row.person in people or _is_of_place(row.notes)
    ]


def of_run(truth: Truth) -> tuple[set[str], set[str]]:
    """The devices and the people that a truth file names."""
    told: list[Fall | Press | Happening] = [*truth.falls, *truth.sos, *truth.happenings]
    devices = {part.device for part in truth.published} | {one.device for one in told if one.device is not None}
    return devices, {one.person for one in told if one.person is not None}


def quarantined(folder: Path, truth: Truth) -> list[Quarantined]:
    """What the quarantine below ``folder`` took since the run began, of the run's devices or of no known one."""
    devices, _ = of_run(truth)
    devices |= {one.device for one in truth.spoiled}
    entries = iter_entries(folder, Filter(since_ms=truth.start_ms), newest_first=False)
    return [
        Quarantined(
            reason=entry.reason, sha256=entry.sha256, device=entry.device, recv_ms=entry.recv_ms, detail=entry.detail
        )
        for entry in entries
        if entry.device is None or entry.device in devices
    ]


def _is_of_place(notes: Mapping[str, str]) -> bool:
    return bool(notes.get("area") or notes.get("home"))


def _first_told(instants: Iterable[int], onset_ms: int) -> int | None:
    """When a responder first heard of something: whoever was on the way for the same incident already, at its onset."""
    instants = list(instants)
    after = [at_ms for at_ms in instants if at_ms >= onset_ms]
    return min(after) if after else onset_ms if instants else None
