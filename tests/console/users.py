"""Users of the console in tests, and browsers in which they are logged in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from console.access import sessions, users
from console.access.rules import Role
from console.access.secret import form_token
from console.access.sessions import Lifetimes
from console.access.users import User
from registry import writing

#: Every page of these comes from the console itself.
SAME_SITE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "accept-language": "en"}


def add_user(
    engine: Engine, name: str, *roles: Role, areas: tuple[str, ...] = ("*",), now_ms: int = 0, **values: str
) -> User:
    """A user; ``values`` are ``password``, ``responder``, ``full_name``."""
    with writing(engine) as connection:
        return users.add_user(connection, name, roles=roles, areas=areas, now_ms=now_ms, by="test", **values)


def log_in(client: TestClient, engine: Engine, name: str, now_ms: int, *, stage: str = "full") -> str:
    """Put a session of a user into a browser; returns what its forms must carry in the field ``csrf``."""
    with writing(engine) as connection:
        secret = sessions.start(
            connection, users.find_user(connection, name), stage=stage, remember=False, now_ms=now_ms,
            address="127.0.0.1", agent="test", lifetimes=Lifetimes(),
        )  # fmt: skip
    client.cookies.set("session", secret, domain="127.0.0.1", path="/")
    return form_token(secret)


@contextmanager
def browser_of(app: FastAPI, engine: Engine, name: str = "", now_ms: int = 0) -> Iterator[TestClient]:
    """A browser on this machine in which ``name`` is logged in (nobody without); it follows no redirect by itself.

    What it posts carries what forms must carry.
    """
    with TestClient(
        app, base_url="http://127.0.0.1:8080", headers=SAME_SITE, follow_redirects=False, raise_server_exceptions=False
    ) as client:
        if name:
            client.headers["x-csrf-token"] = log_in(client, engine, name, now_ms)
        yield client


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the first form of a page."""
    main = page.partition("<main")[2]
    form = main.partition("<form")[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form))
