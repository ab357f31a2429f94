"""What a round of the probe means, and when the operator is paged. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What became of one synthetic SOS, each in seconds since it was published; None: it did not come in time.

    Attributes:
        error: why it could not even be published, "" when it was.
        taken_s: the broker has it.
        acknowledged_s: the gateway has committed it and told the device so.
        received_s: the message about it has reached the test channel.
    """

    error: str = ""
    taken_s: float | None = None
    acknowledged_s: float | None = None
    received_s: float | None = None


def fault(seen: Seen, within_s: float) -> str:
    """What is wrong, and where to look; "" when nothing is."""
    if seen.error:
        return f"the SOS could not be sent: {seen.error}"
    if seen.taken_s is None:
        return f"the broker did not take the SOS within {within_s:.0f} s"
    if seen.received_s is None and seen.acknowledged_s is None:
        return (
            f"the broker has the SOS, but within {within_s:.0f} s neither was the device told nor did a message come:"
            " gateway"
        )
    if seen.received_s is None:
        return (
            f"the gateway has the SOS, but no message came to the test channel within {within_s:.0f} s: processor,"
            " alerts, database, or the test channel's entry in the registry"
        )
    if seen.received_s > within_s:
        return f"the message took {seen.received_s:.0f} s, more than {within_s:.0f} s"
    if seen.acknowledged_s is None:
        return "the message came, but the device was never told that its SOS was received: gateway, commands"
    return ""


class PageKind(StrEnum):
    """Why the operator is paged."""

    FAILED = "failed"
    STILL = "still"  # again, while it lasts
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where it stands between two rounds; it is kept over restarts.

    Attributes:
        since_ms: of the first failed round in a row; None while all is well.
        rounds: failed in a row.
        paged_ms: when the operator was last told of a failure; None: they know of none that is not over.
    """

    since_ms: int | None = None
    rounds: int = 0
    paged_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What the operator is told."""

    kind: PageKind
    subject: str
    text: str


def judge(
    standing: Standing, faults: tuple[str, ...], now_ms: int, repeat_s: float, where: str
) -> tuple[Standing, Page | None]:
    """The new standing, and the page that is due. It counts as told only once :func:`paged` says so: a page that did
    not get out is due again at the next round."""
    if not faults:
        well = replace(standing, since_ms=None, rounds=0)
        if standing.paged_ms is None:
            return well, None
        text = "The synthetic SOS comes through again, and the heartbeat has gone out."
        return well, Page(PageKind.RECOVERED, f"CareCircle {where}: works again", text)
    since_ms = now_ms if standing.since_ms is None else standing.since_ms
    failed = replace(standing, since_ms=since_ms, rounds=standing.rounds + 1)
    if standing.paged_ms is not None and now_ms - standing.paged_ms < repeat_s * 1000:
        return failed, None
    kind = PageKind.FAILED if standing.paged_ms is None else PageKind.STILL
    minutes = (now_ms - since_ms) // 60_000
    lasting = f" For {minutes} min, {failed.rounds} rounds." if minutes else ""
    said = "; ".join(faults)
    text = f"{said[0].upper()}{said[1:]}.{lasting} Calls for help may not get through. Look at it: carecircle doctor"
    return failed, Page(kind, f"CareCircle {where}: {'does not work' if minutes == 0 else 'still does not work'}", text)


def paged(standing: Standing, page: Page, now_ms: int) -> Standing:
    """The standing once a page is out."""
    return replace(standing, paged_ms=None if page.kind is PageKind.RECOVERED else now_ms)
