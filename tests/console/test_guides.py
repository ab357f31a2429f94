"""The guides: both, in both languages, with pictures that are there and small."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from console.guides.routes import GUIDES
from console.render import STATIC
from console.texts import TEXTS

MOST_BYTES = 60_000


@pytest.mark.parametrize("language", sorted(TEXTS))
@pytest.mark.parametrize("name", sorted(GUIDES))
def test_a_guide_has_all_its_steps_and_pictures(browser: TestClient, name: str, language: str) -> None:
    """Every step has a text of its own, every picture is served and small."""
    answer = browser.get(f"/guides/{name}?lang={language}")
    assert answer.status_code == 200
    said = TEXTS[language]
    for section in GUIDES[name]:
        for id_ in (section.id, *section.texts):
            assert said.of("guide", id_) != id_, id_
        assert said.of("guide", f"{section.id}.{section.steps + 1}") == f"{section.id}.{section.steps + 1}"
    pictures = re.findall(r'<img src="(/static/guides/[^"]+)"', answer.text)
    assert len(pictures) == sum(bool(section.picture) for section in GUIDES[name])
    for address in pictures:
        picture = browser.get(address)
        assert picture.status_code == 200
        assert f"-{language}-" in address
        assert len(picture.content) < MOST_BYTES


def test_every_picture_is_small(browser: TestClient) -> None:
    """Those of the documents too; a guide that there is not is no page."""
    pictures = list((STATIC / "guides").glob("*.webp"))
    assert pictures
    assert [path.name for path in pictures if path.stat().st_size >= MOST_BYTES] == []
    assert browser.get("/guides/nobody").status_code == 404
