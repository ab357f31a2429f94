"""Errors as FHIR has them: OperationOutcome."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from console.api.problems import Problem, problem_of

PREFIX = "/fhir"
MEDIA_TYPE = "application/fhir+json"
#: HTTP status -> code of http://hl7.org/fhir/R4/valueset-issue-type.html
_CODES = {400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 409: "conflict",
          413: "too-long", 422: "invalid", 500: "exception", 503: "transient"}  # fmt: skip
_RETRY_S = 5


def outcome(code: str, text: str) -> dict[str, Any]:
    """An OperationOutcome of one error."""
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def answer(error: Exception) -> Response:
    """The answer to an error."""
    problem = problem_of(error)
    status = 400 if problem.status == 422 else problem.status  # FHIR R4, 3.1.0.1.5: a parameter that is not understood
    text = str(problem)
    for mistake in problem.more.get("errors", ()):
        text += f" {mistake['field']}: {mistake['reason']}."
    headers = {"retry-after": str(_RETRY_S)} if status == 503 else {}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="carecircle"'
    if "allow" in (given := getattr(error, "headers", None) or {}):
        headers["allow"] = given["allow"]
    return Response(json.dumps(outcome(_CODES[status], text)), status, headers, MEDIA_TYPE)


def refuse(text: str) -> Problem:
    """A search that is not understood, with what to do."""
    return Problem("bad-request", text)
