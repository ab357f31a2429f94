"""What became of somebody who fell, on the incident page."""

from __future__ import annotations

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from detectors.detection import Severity, Stage
from tests.console.conftest import NOON_MS
from tests.console.district import fall, incident_of, take
from tests.console.test_pages import text_of


@pytest.mark.parametrize(
    ("language", "told", "why"),
    [
        ("en", "How it went on: did not move for a minute", "After the fall: did not move for a minute"),
        ("zh", "后续情况：一分钟内没有活动", "跌倒之后：一分钟内没有活动"),
    ],
)
def test_the_minute_after_a_fall_is_told_in_words_beside_why_it_was_raised(
    browser: TestClient, engine: Engine, language: str, told: str, why: str
) -> None:
    """On the time line and under the reasons, which stay those of the fall; with its urgency."""
    one = fall("d-0001", NOON_MS - 4000)
    take(engine, NOON_MS, one)
    address = f"/incidents/{incident_of(engine, 'd-0001')}?lang={language}"
    before = text_of(browser.get(address).text)
    end = msgspec.structs.replace(
        one,
        stage=Stage.FOLLOW_UP,
        severity=Severity.CRITICAL,
        notes={"outcome": "no_movement"},
        features={"moved_pct": 0.0, "seen_s": 56.0},
        window=None,
    )
    take(engine, NOON_MS + 57_000, end)
    page = text_of(browser.get(address).text)
    assert told in page
    assert why in page
    assert why not in before
    assert "4.2 g" in before
    assert "4.2 g" in page
