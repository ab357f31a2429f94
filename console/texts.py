"""Every word that a page shows, by id, in each language: the gettext catalogues of ``console/locale``, read by Babel.

A page asks for an id (msgid) and gets the text (msgstr); ``{name}`` is filled in, see :class:`Texts`. All files of a
language are one catalogue, so that a page may keep its texts in a file of its own. They are read as they stand: nothing
has to be compiled.

An id that starts with a word and a dot belongs to a set whose members come from elsewhere (``state.notifying`` for a
state of alerts); :meth:`Texts.of` finds it and falls back to the bare value, so that a value from a newer version is
shown as it is.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

LANGUAGES: tuple[str, ...] = ("en", "zh")
LOCALE = Path(str(resources.files("console"))) / "locale"


def read_catalogue(language: str) -> dict[str, str]:
    """The texts of a language by id. Raises ValueError for an id that two files have."""
    texts: dict[str, str] = {}
    for path in sorted((LOCALE / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            found = {str(message.id): str(message.string) for message in read_po(file, locale=language) if message.id}
        twice = texts.keys() & found.keys()
        if twice:
            raise ValueError(f"{path.name}: {sorted(twice)} stand in another file of {language!r} too: keep one")
        texts |= found
    return texts


ENGLISH = read_catalogue("en")
CHINESE = read_catalogue("zh")

_CATALOGUES = {"en": ENGLISH, "zh": CHINESE}


class Texts:
    """The texts of one language: ``texts("who.calling", names=...)``."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = _CATALOGUES[language]

    def __call__(self, text_id: str, **values: Any) -> str:
        """The text, filled in. Raises KeyError for an id that no catalogue has: a defect."""
        text = self._catalogue[text_id]
        return text.format_map(values) if values else text

    def of(self, family: str, value: str | None) -> str:
        """The word for a value that comes from elsewhere; the value itself where there is none for it."""
        return self._catalogue.get(f"{family}.{value}", value or "")


TEXTS: dict[str, Texts] = {language: Texts(language) for language in LANGUAGES}
