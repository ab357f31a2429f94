"""In which language a page answers. Pure."""

from __future__ import annotations

from console.texts import LANGUAGES


def choose_language(*, asked: str | None, remembered: str | None, accepted: str | None, default: str) -> str:
    """The language of a page: asked for in its address, else remembered in the cookie, else by the browser.

    ``accepted`` is an Accept-Language header (RFC 9110, 12.5.4); what cannot be read in it is passed over.
    """
    for choice in (asked, remembered):
        if choice in LANGUAGES:
            return choice
    for tag in _by_preference(accepted or ""):
        language = tag.partition("-")[0]
        if language in LANGUAGES:
            return language
    return default


def _by_preference(header: str) -> list[str]:
    weighted: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        tag, _, parameter = part.partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if 0 < quality <= 1:
            weighted.append((quality, tag.strip().lower()))
    return [tag for _, tag in sorted(weighted, key=lambda item: -item[0])]
