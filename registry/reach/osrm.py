"""Seconds on the way by a server of routes (OSRM, table service, http://project-osrm.org/docs/v5.24.0/api/)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from registry.reach.arrival import Candidate
from registry.reach.travel import means_of

_log = logging.getLogger(__name__)

#: Somebody waits for the call that follows: a server that is not quicker than this is no help.
_TIMEOUT_S = 0.5
#: After a failure it is left alone for so long, so that not every call waits for it.
_PAUSE_S = 60.0
#: A table of more sources than this is refused by a server with the usual settings (100 places in all).
_AT_ONCE = 99


class Osrm:
    """A server of routes, or several: one for each means of travel that ``{profile}`` in the address stands for.

    For one thread. ``clock`` gives seconds that never go back.
    """

    def __init__(self, url: str, clock: Callable[[], float], *, timeout_s: float = _TIMEOUT_S) -> None:
        """``url`` such as ``http://127.0.0.1:5000`` or ``http://osrm-{profile}:5000`` (foot, bike, car)."""
        self._url = url.rstrip("/")
        self._clock = clock
        self._not_before_s = -math.inf
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)

    def seconds(self, candidates: Sequence[Candidate], lat: float, lon: float) -> dict[str, float]:
        """Seconds on the way to a door by responder; without those whose place is not known or that no road leads from.

        {} when the server does not answer in time or with anything else than a table: the estimate stands then, and the
        server is left alone for a minute.
        """
        known = [one for one in candidates if one.lat is not None and one.lon is not None][:_AT_ONCE]
        if not known or self._clock() < self._not_before_s:
            return {}
        found: dict[str, float] = {}
        try:
            for profile in sorted({means_of(one.travel).profile for one in known}):
                found |= self._table(
                    profile, [one for one in known if means_of(one.travel).profile == profile], lat, lon
                )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError, IndexError) as error:
            # what the error says has the address in it, and so where somebody lives
            _log.warning("the server of routes gives no table (%s): estimating for %.0f s", _kind(error), _PAUSE_S)
            self._not_before_s = self._clock() + _PAUSE_S
            return {}
        return found

    @property
    def answers(self) -> bool:
        """Whether it answered when it was asked last; True again after the minute that it is left alone for."""
        return self._clock() >= self._not_before_s

    def all_seconds(self, candidates: Sequence[Candidate], lat: float, lon: float) -> dict[str, float]:
        """:meth:`seconds` of any number of candidates."""
        found: dict[str, float] = {}
        for start in range(0, len(candidates), _AT_ONCE):
            found |= self.seconds(candidates[start : start + _AT_ONCE], lat, lon)
        return found

    def _table(self, profile: str, candidates: Sequence[Candidate], lat: float, lon: float) -> dict[str, float]:
        places = ";".join(f"{one.lon:.6f},{one.lat:.6f}" for one in candidates) + f";{lon:.6f},{lat:.6f}"
        numbers = ";".join(str(at) for at in range(len(candidates)))
        url = f"{self._url.replace('{profile}', profile)}/table/v1/{profile}/{places}"
        answer = self._client.get(url, params={"sources": numbers, "destinations": str(len(candidates))})
        answer.raise_for_status()
        table: dict[str, Any] = answer.json()
        if table["code"] != "Ok" or len(table["durations"]) != len(candidates):
            raise ValueError(f"no table: {table['code']!r}")
        pairs = ((one.responder, row[0]) for one, row in zip(candidates, table["durations"], strict=True))
        return {name: float(seconds) for name, seconds in pairs if seconds is not None and 0 <= seconds < math.inf}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _kind(error: Exception) -> str:
    status = f" {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
    return type(error).__name__ + status
