"""Hubs and devices as they will be once messages that wait were taken."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import MutableMapping

from ingest.adapters.memory import Hub, Memory
from ingest.adapters.network import Network


class NetworkAhead(Network):
    """A network that goes on from ``behind`` with copies of its own, made as they are needed.

    It must be shown everything that ``behind`` will be shown: then what it has not copied has not changed there either.
    """

    def __init__(self, behind: Network) -> None:
        super().__init__()
        self._behind = behind
        self._hub_of: MutableMapping[str, str] = ChainMap({}, behind._hub_of)

    def hub(self, name: str) -> Hub:
        """See Network."""
        if name not in self._hubs and (known := self._behind._hubs.get(name)) is not None:
            self._hubs[name] = known.copy()
        return super().hub(name)

    def memory(self, device: str, *, registered: bool) -> Memory:
        """See Network."""
        if device not in self._known and device not in self._unknown:
            if (known := self._behind._known.get(device)) is not None:
                self._known[device] = known.copy()
            if (unknown := self._behind._unknown.get(device)) is not None:
                self._unknown[device] = unknown.copy()
        return super().memory(device, registered=registered)
