"""schemathesis asks every operation of the API what its description allows, and what it does not."""

from __future__ import annotations

import contextlib
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

import registry
from console.access import sessions, users
from console.access.rules import Role, Scope
from console.api.problems import PREFIX
from console.app import create_app
from console.settings import ConsoleSettings
from tests.console.conftest import NOON_MS, copy_of
from tests.console.district import LINK_KEY, fall, take
from tests.console.users import add_user

_CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
]


@pytest.fixture(scope="module")
def described(built: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[object, dict[str, str]]:
    """The application, and the headers of a program that may everything."""
    folder = tmp_path_factory.mktemp("described")
    engine = copy_of(built, folder)
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    add_user(engine, "anna", *(role for role in Role if role is not Role.ADMINISTRATOR))
    with registry.writing(engine) as connection:
        user = users.find_user(connection, "anna")
        assert user is not None
        token = sessions.make_token(connection, user, "test", list(Scope), days=1, now_ms=NOON_MS)
    console = ConsoleSettings(link_key=LINK_KEY, store_url=f"sqlite:///{folder}/points.db")
    return create_app(engine, console, now_ms=lambda: NOON_MS), {"authorization": f"Bearer {token}"}


def test_every_operation_answers_as_it_is_described(described: tuple[object, dict[str, str]]) -> None:
    """Nothing it is sent makes it fail; every answer has a status, a type and a body that are described; and without a
    token nobody gets in."""
    app, headers = described
    schema = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app, headers={"host": "127.0.0.1:8080"})
    asked: Counter[str] = Counter()
    with TestClient(app, base_url="http://127.0.0.1:8080") as client:
        for result in schema.get_all_operations():
            operation = result.ok()
            nobody = client.request(operation.method, operation.path.format_map(_Anything()))
            assert nobody.status_code in (401, 403), operation.label
            for mode in GenerationMode:

                @settings(
                    max_examples=3, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )  # fmt: skip
                @given(case=operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case) -> None:
                    response = case.call(base_url="http://127.0.0.1:8080", session=client, headers=headers)
                    asked[case.operation.label] += 1
                    asked[str(response.status_code)] += 1
                    case.validate_response(response, checks=_CHECKS)

                with contextlib.suppress(Unsatisfiable):  # an operation that nothing can be wrong with
                    ask()
    assert len(asked) > 25
    assert min(asked["200"], asked["404"], asked["422"]) > 10


class _Anything(dict[str, str]):
    def __missing__(self, _key: str) -> str:
        return "1"
