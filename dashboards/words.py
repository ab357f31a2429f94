"""What is read, in both languages side by side."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """One text in English and Chinese."""

    en: str
    zh: str

    def in_(self, language: str) -> str:
        """The text in ``en`` or ``zh``."""
        return self.zh if language == "zh" else self.en
