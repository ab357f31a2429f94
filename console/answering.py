"""Errors in the form of whoever asks: pages for people, JSON for programs."""

from __future__ import annotations

from starlette.responses import Response

from console.api import problems as api
from console.fhir import outcomes as fhir


def for_programs(path: str, error: Exception) -> Response | None:
    """The answer to an error where a program asks; None where a page does."""
    if path.startswith(f"{api.PREFIX}/"):
        return api.answer(error)
    if path == fhir.PREFIX or path.startswith(f"{fhir.PREFIX}/"):
        return fhir.answer(error)
    return None


def refused(path: str, status: int) -> Response | None:
    """The same where nothing but a status is known."""
    return for_programs(path, api.by_status(status))
