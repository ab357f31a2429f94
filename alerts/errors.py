"""What can go wrong in this room. One root; each carries the offending value and says what to do next."""

from __future__ import annotations

from enum import StrEnum


class AlertsError(Exception):
    """Root of this package's errors."""


class TransitionError(AlertsError):
    """The table of states has no such transition: a defect in the caller, which must ask first."""

    def __init__(self, incident: str, before: str, after: str) -> None:
        super().__init__(f"incident {incident} cannot go from {before} to {after}: see lifecycle.NEXT")
        self.incident = incident
        self.before = before
        self.after = after


class OneProcessError(AlertsError):
    """Several processes are to send from a database that takes one."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"{database} takes one alerts process, and it must have the journals: several need PostgreSQL "
            "(database_url), or take alerts.worker = 'deliver' out of the settings"
        )
        self.database = database


class JournalsElsewhereError(AlertsError):
    """Another process takes detections for this database from journals of its own; ``place`` is host and folder."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"another alerts process works on this database with the journals of {place}: set "
            "alerts.worker = 'deliver' here, or stop that one (it counts as gone 15 s after it was killed)"
        )
        self.place = place


class VisitError(AlertsError):
    """A visit that nothing can be written of; carries the plan and says what to do."""

    def __init__(self, plan: str, advice: str) -> None:
        super().__init__(f"the visit {plan} {advice}")
        self.plan = plan


class LinkFault(StrEnum):
    """Why an acknowledge link is not taken."""

    FORGED = "forged"  # the signature does not fit, or it is no link of ours
    EXPIRED = "expired"


class LinkError(AlertsError):
    """An acknowledge link that is not taken; ``fault`` says why."""

    def __init__(self, fault: LinkFault) -> None:
        advice = {
            LinkFault.FORGED: "this link was not made by us or was changed on its way: open the one in the message",
            LinkFault.EXPIRED: "this link is too old: open the incident in the console",
        }
        super().__init__(advice[fault])
        self.fault = fault
