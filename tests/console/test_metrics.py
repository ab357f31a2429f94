"""What programs that watch the system read: metrics and readiness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, insert

import registry
from alerts import actions, models
from console.access.models import attempt
from console.access.rules import Role
from console.app import create_app
from console.settings import ConsoleSettings
from journal import JournalReader, JournalWriter
from journal.quarantine import Quarantine
from store import open_store
from telemetry.errors import Reason
from telemetry.records import Flag, RawMessage
from tests.console.conftest import NOON_MS, Clock
from tests.console.district import LINK_KEY, WANG, ZHANG, fall, incident_of, take
from tests.console.users import add_user, browser_of

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def settings(tmp_path: Path) -> ConsoleSettings:
    """A console with journals, a quarantine and a store on its machine."""
    open_store(f"sqlite:///{tmp_path}/points.db").close()
    return ConsoleSettings(
        link_key=LINK_KEY, metrics_open=True, store_url=f"sqlite:///{tmp_path}/points.db",
        journal_dir=tmp_path / "journals", quarantine_dir=tmp_path / "quarantine",
    )  # fmt: skip


@pytest.fixture
def browser(engine: Engine, settings: ConsoleSettings, clock: Clock) -> Iterator[TestClient]:
    """A program on the same machine."""
    (settings.journal_dir or Path()).mkdir()
    with here(create_app(engine, settings, now_ms=clock)) as browser:
        yield browser


def here(app: Any, host: str = "127.0.0.1:8080") -> TestClient:
    """Somebody on this machine."""
    return TestClient(app, base_url=f"http://{host}", client=("127.0.0.1", 5000), raise_server_exceptions=False)


def read(browser: TestClient) -> Samples:
    """Every sample, as Prometheus reads it."""
    answer = browser.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert "version=" in answer.headers["content-type"]
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float | None:
    """One sample."""
    return samples.get((f"carecircle_{name}", frozenset(labels.items())))


def test_incidents_and_messages_are_counted(browser: TestClient, engine: Engine, clock: Clock) -> None:
    """By severity and state, by channel and reason, and how soon somebody answered; no label names anybody."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000), fall("d-0002", NOON_MS - 4000))
    actions.acknowledge(engine, incident_of(engine, "d-0001"), ZHANG, NOON_MS + 42_000)
    clock.now_ms += 60_000
    found = read(browser)
    assert of(found, "incidents_open", severity="critical", state="notifying") == 1
    assert of(found, "incidents_open", severity="critical", state="acknowledged") == 1
    assert of(found, "notifications_total", channel="webhook", status="pending", reason="") == 1
    assert of(found, "acknowledgement_seconds_count") == 1
    assert of(found, "acknowledgement_seconds_sum") == 42
    assert of(found, "acknowledgement_seconds_bucket", le="30.0") == 0
    assert of(found, "acknowledgement_seconds_bucket", le="60.0") == 1
    assert of(found, "acknowledgement_seconds_bucket", le="+Inf") == 1
    assert (of(found, "outbox_size"), of(found, "outbox_oldest_seconds")) == (1, 60)
    assert of(found, "database_up") == 1
    assert of(found, "store_up") == 1
    assert of(found, "streams_connected") == 0
    assert any(name == "carecircle_build_info" for name, _ in found)
    values = {value for _, labels in found for _, value in labels}
    assert not values & {"p-0001", "d-0001", ZHANG, WANG}


def test_journals_and_quarantine_of_this_machine_are_seen(browser: TestClient, settings: ConsoleSettings) -> None:
    """How far each consumer is behind, and what could not be taken and why."""
    assert settings.journal_dir is not None
    assert settings.quarantine_dir is not None
    with JournalWriter(settings.journal_dir / "raw", consumers=["processor", "archive"], reserve_bytes=0) as writer:
        end = writer.append([b"x" * 500])
        writer.commit()
        with JournalReader(settings.journal_dir / "raw", "processor") as reader:
            reader.read()
            reader.commit(end)
    quarantine = Quarantine(settings.quarantine_dir, "processor")
    reason = next(iter(Reason))
    for _ in range(3):
        quarantine.put(reason, "said", RawMessage(NOON_MS, Flag(0), b"care/v1/d-9/vitals", b"{"), "d-9")
    quarantine.close()
    found = read(browser)
    assert of(found, "journal_lag_bytes", journal="raw", consumer="processor") == 0
    assert (of(found, "journal_lag_bytes", journal="raw", consumer="archive") or 0) > 500
    assert of(found, "journal_written_bytes_total", journal="raw") == of(
        found, "journal_lag_bytes", journal="raw", consumer="archive"
    )
    assert of(found, "quarantine_total", stage="processor", reason=reason.value) == 3


def test_failed_logins_are_counted_for_a_day(browser: TestClient, engine: Engine) -> None:
    """Without saying whose."""
    with registry.writing(engine) as connection:
        rows = [(NOON_MS - 1000, "anna"), (NOON_MS - 2000, "zhang"), (NOON_MS - 90_000_000, "anna")]
        values = [{"at_ms": at, "account": who, "address": "10.0.0.1", "result": "failed"} for at, who in rows]
        connection.execute(insert(attempt), values)
    assert of(read(browser), "login_attempts_day", result="failed") == 2
    assert "zhang" not in browser.get("/metrics").text


def test_labels_do_not_grow_with_what_stands_in_a_table(browser: TestClient, engine: Engine) -> None:
    """Beyond 64 of a kind they are put together."""
    take(engine, NOON_MS, fall("d-0001", NOON_MS - 4000))
    with registry.writing(engine) as connection:
        row = {
            "incident": incident_of(engine, "d-0001"), "step": 9, "round": 1, "responder": ZHANG, "status": "failed",
            "channel": "webhook-1", "urgency": 1, "attempts": 1, "created_ms": 1, "due_ms": 1,
        }  # fmt: skip
        rows = [{**row, "id": f"n-{n}", "round": 100 + n, "reason": f"strange_{n}"} for n in range(200)]
        connection.execute(insert(models.notification), rows)
    found = {labels: n for (name, labels), n in read(browser).items() if name == "carecircle_notifications_total"}
    assert len(found) <= 65
    assert sum(found.values()) == 201


def test_metrics_are_for_tokens_and_this_machine(engine: Engine, settings: ConsoleSettings, clock: Clock) -> None:
    """Open on loopback only where the settings say so, and never through a proxy; else a permission over all areas."""
    (settings.journal_dir or Path()).mkdir(exist_ok=True)
    app = create_app(engine, replace(settings, public_url="https://care.example.org"), now_ms=clock)
    assert here(app).get("/metrics").status_code == 200
    assert here(app).get("/metrics", headers={"x-forwarded-for": "10.0.0.9"}).status_code == 404
    assert here(app, "care.example.org").get("/metrics").status_code == 404
    closed: Any = create_app(engine, ConsoleSettings(link_key=LINK_KEY), now_ms=clock)
    add_user(engine, "watcher", Role.ENGINEER)
    add_user(engine, "local", Role.ENGINEER, areas=("chongqing",))
    for name, status in (("", 401), ("watcher", 200), ("local", 403)):
        with browser_of(closed, engine, name, NOON_MS) as browser:
            assert browser.get("/metrics", headers={"sec-fetch-mode": "cors"}).status_code == status


def test_readiness_says_what_is_missing_and_no_secret(
    browser: TestClient, settings: ConsoleSettings, tmp_path: Path
) -> None:
    """Each of database, journals and store by itself."""
    ready = browser.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"database": "ok", "journals": "ok", "store": "ok"})
    assert settings.journal_dir is not None
    settings.journal_dir.rmdir()
    missing = browser.get("/readyz")
    assert missing.status_code == 503
    assert "start the gateway" in missing.json()["checks"]["journals"]
    broken = registry.create_engine(f"sqlite:///{tmp_path}/secret-name/none.db")
    app = create_app(broken, ConsoleSettings(link_key=LINK_KEY, metrics_open=True), now_ms=lambda: NOON_MS)
    client = here(app)
    away = client.get("/readyz")
    assert away.status_code == 503
    assert away.json()["checks"]["store"] == "not set up"
    assert "does not answer" in away.json()["checks"]["database"]
    assert "secret-name" not in away.text
    assert of(read(client), "database_up") == 0
