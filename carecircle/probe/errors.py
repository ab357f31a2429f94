"""What can go wrong with the probe itself."""

from __future__ import annotations


class ProbeError(Exception):
    """The probe cannot work as it is set up; carries the offending value and says what to do."""

    def __init__(self, value: str, advice: str) -> None:
        super().__init__(f"{value} {advice}")
        self.value = value
