"""What can be wrong with a simulation before it starts."""

from __future__ import annotations


class SimulationError(Exception):
    """Root of this package's errors. The text names the offending value and what to do next."""


class ScenarioError(SimulationError):
    """A scenario file that breaks its schema. ``where`` is the file, ``detail`` has the path of the field."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(f"{where}: {detail}")
        self.where = where
        self.detail = detail


class NoRecordingsError(SimulationError):
    """The folder of recordings is not there, or lacks what a placement needs."""


class BrokerRefusedError(SimulationError):
    """The broker answered, and said no. ``code`` is the CONNACK return code (MQTT 3.1.1, 3.2.2.3)."""

    def __init__(self, device: str, code: int, detail: str) -> None:
        super().__init__(f"the broker refused {device!r}: {detail} (CONNACK {code})")
        self.device = device
        self.code = code
