"""The description of the API: what OpenAPI says of it, and the same as a page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRouter, iter_route_contexts

from console.access.rules import Permission, Role, Scope, permissions_of, rule_of
from console.api.problems import KINDS, MEDIA_TYPE

VERSION = "1.0"
_ABOUT = (
    "Incidents, people, devices and on-call orders of a district, as far as the user's areas reach. "
    "Send `Authorization: Bearer cc_...`; a script of the console's own pages may use its session and the header "
    "`X-CSRF-Token`. Errors are `application/problem+json` (RFC 9457)."
)
_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "an API token, made on the account page"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session", "description": "of a browser; with X-CSRF-Token"},
}


def describe(api: APIRouter) -> dict[str, Any]:
    """OpenAPI 3.1 of a router whose routes declare their rules."""
    document = get_openapi(title="CareCircle", version=VERSION, description=_ABOUT, routes=api.routes)
    needs = {
        (route.path, method.lower()): rule_of(route.endpoint).permission
        for route in iter_route_contexts(api.routes)
        if route.endpoint is not None
        for method in route.methods or ()
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            permission = needs[path, method]
            operation["security"] = [{"token": []}, {"session": []}]
            if permission is not None:
                operation["x-permission"] = permission.value
                operation["x-scopes"] = scopes_of(permission)
            for status, answer in operation["responses"].items():
                if int(status) >= 400 and "content" in answer:
                    answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"]["securitySchemes"] = _SCHEMES
    document["servers"] = [{"url": "/"}]
    return document


def scopes_of(permission: Permission) -> list[str]:
    """The scopes of a token that give a permission to whose roles give it."""
    every = frozenset(Role)
    return [scope.value for scope in Scope if permission in permissions_of(every, frozenset({scope}))]


def page_of(document: Mapping[str, Any]) -> str:
    """The description as a page of plain HTML without scripts and styles."""
    rows = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rows.append(_operation(path, method, operation))
    kinds = "".join(
        f'<dt id="{name}">{kind.status} {escape(kind.title)}</dt><dd>{escape(kind.detail)}</dd>'
        for name, kind in KINDS.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>CareCircle API</title></head><body><main>'
        f"<h1>CareCircle API {escape(document['info']['version'])}</h1><p>{escape(document['info']['description'])}</p>"
        '<p><a href="/api/v1/openapi.json">openapi.json</a></p>'
        f"<h2>Operations</h2>{''.join(rows)}<h2>Problems</h2><dl>{kinds}</dl></main></body></html>"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    words = operation.get("description") or operation.get("summary", "")
    fields = [f"{one['name']} ({one['in']})" for one in operation.get("parameters", ())]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    fields += [f"{name} (body)" for name in _refs(body)]
    scopes = ", ".join(operation.get("x-scopes", ()))
    return (
        f"<h3><code>{method.upper()} {escape(path)}</code></h3><p>{escape(words)}</p>"
        f"<p>Scopes: {escape(scopes)}.{' Takes: ' + escape(', '.join(fields)) + '.' if fields else ''}</p>"
    )


def _refs(schema: Mapping[str, Any]) -> Iterable[str]:
    found = [schema, *schema.get("anyOf", ())]
    return [one["$ref"].rpartition("/")[2] for one in found if "$ref" in one]
