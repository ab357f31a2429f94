"""``carecircle visits``, as people type it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

import registry
from carecircle.cli import app
from carecircle.roles import prepare
from carecircle.settings import Settings

DISTRICT = """\
areas: [{path: d, name: D}]
people: [{key: wang, name: Wang, area: d}]
responders: [{id: li, name: Li, area: d, channels: [{type: console}]}]
on_call: {d: [li]}
visits: [{id: v1, person: wang, kind: call, zone: Asia/Shanghai, start: %s, unit: day, responder: li}]
"""


def test_visits_are_listed_done_and_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yesterday's was made, today's nobody was met; what cannot be is said in words."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    engine = prepare(Settings(data_dir=tmp_path / "data"))
    start = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "district.yaml").write_text(DISTRICT % f"{start:%Y-%m-%d}T00:00")
    assert registry.import_folder(engine, tmp_path / "in").applied
    engine.dispose()

    def run(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["visits", *words])
        return result.exit_code, " ".join(result.output.split())

    listed = json.loads(run("list", "--json")[1])
    assert [one["state"] for one in listed] == [None] * len(listed)
    assert len(listed) >= 8
    code, said = run("done", "v1", "--by", "li", "--on", f"{start:%Y-%m-%d}", "--note", "is well")
    assert (code, "is done, says li" in said) == (0, True)
    assert run("missed", "v1", "--by", "li")[0] == 0
    states = [one["state"] for one in json.loads(run("list", "--json")[1])]
    assert states[:2] == ["done", "missed"]
    assert "done li is well" in run("list")[1]
    assert len(json.loads(run("list", "--json", "--open")[1])) == len(states) - 2
    code, said = run("missed", "v1", "--by", "li")
    assert (code, "is missed already, says li" in said) == (2, True)
    assert run("done", "v1", "--by", "bo")[0] == 2
    assert run("done", "v2", "--by", "li") == (2, "the visit v2 is no plan of visits: see `carecircle visits list`")
    assert run("list", "--from", "March")[0] == 2
