"""Banks of detectors taken over from a checkpoint: one that cannot be read is logged and learnt anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from detectors.errors import DetectorError

_log = logging.getLogger(__name__)

#: What a state of another shape raises where no format number says so first.
UNREADABLE = (DetectorError, KeyError, IndexError, TypeError, ValueError, AttributeError)


class Bank(Protocol):
    """A detector that can be saved."""

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""


_Bank = TypeVar("_Bank", bound=Bank)


def restored(make: Callable[[], _Bank], state: dict[str, Any], new: _Bank, name: str) -> _Bank:
    """A bank that has taken over ``state["bank"]``, else ``new``, which knows nothing."""
    bank = make()
    try:
        bank.restore(state["bank"])
    except UNREADABLE as error:
        _log.error("processor: what was learnt of %s cannot be read (%s): it is learnt anew", name, error)
        return new
    return bank
