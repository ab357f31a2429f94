"""The report: incidents made by the alerts core on a clock of the test, counted, rated, and shown."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from typer.testing import CliRunner

import registry
from alerts import actions, history
from alerts.fusion import prompt_id
from alerts.history import CallView, CaseView, TakingView
from alerts.lifecycle import Outcome
from alerts.reporting import Report, build, page, rate, rows, write_csv
from alerts.reporting.measures import Calls, Tally, calls_by_responder, within
from alerts.reporting.texts import LANGUAGES, TEXTS, duration
from carecircle.cli import app
from detectors.detection import Severity
from tests.alerts.story import START_MS, Story, telling
from tests.alerts.test_area_trouble import silence
from tests.alerts.test_roster_timelines import settle_on
from tests.servers.sink import Answer, Sink

ZONE = ZoneInfo("Asia/Shanghai")
PROVIDERS = """\
- {{id: ann, name: Ann, area: d.street.station, provider: Red Cross,
   channels: [{{type: webhook, url: "{url}ann", secret: {secret}}}]}}
- {{id: bob, name: Bob, area: d.street.station, provider: "=Blue <b>& Co",
   channels: [{{type: webhook, url: "{url}bob", secret: {secret}}}, {{type: console}}]}}
"""


@pytest.fixture
def reported(any_engine: Engine, tmp_path: Path, sink: Sink) -> Iterator[Story]:
    """A district whose first two responders belong to organisations."""
    from tests.servers.sink import SECRET

    with telling(any_engine, tmp_path, sink) as story:
        folder = tmp_path / "providers"
        folder.mkdir()
        (folder / "responders.yaml").write_text(PROVIDERS.format(url=sink.url(""), secret=SECRET), encoding="utf-8")
        assert registry.import_folder(story.engine, folder).applied
        yield story


@pytest.fixture
def any_engine(registry_engine: Engine) -> Engine:
    """SQLite, and PostgreSQL where that is installed."""
    return registry_engine


def report_of(story: Story, area: str | None = None) -> Report:
    """The report of the whole time, made now."""
    cases = history.cases(story.engine, 0, story.now_ms + 1, area=area)
    directory = registry.directory(story.engine)
    return build(cases, directory, from_ms=0, to_ms=story.now_ms + 1, now_ms=story.now_ms, zone=ZONE, area=area)


def fallen(story: Story, device: str = "w-wang", person: str = "wang") -> str:
    """A fall; the id of its incident."""
    before = {incident.id for incident in story.incidents()}
    story.happens("fall", device=device, person=person)
    (new,) = {incident.id for incident in story.incidents()} - before
    return new


def closed(story: Story, incident: str, who: str, outcome: Outcome = Outcome.TRUE) -> None:
    """Close it, and let an hour pass so that the next is another."""
    actions.resolve(story.engine, incident, who, story.now_ms, outcome=outcome)
    story.forward(3600)


def test_who_was_quick_who_was_late_and_who_was_never_there(reported: Story) -> None:
    """Four incidents: answered after 20 s and at the door; by the second after 100 s and never there; by nobody; and a
    false alarm that somebody closed after 30 s without taking it."""
    story = reported
    first = fallen(story)
    story.forward(20)
    actions.acknowledge(story.engine, first, "ann", story.now_ms)
    story.forward(600)
    actions.on_scene(story.engine, first, "ann", story.now_ms)
    closed(story, first, "ann")
    second = fallen(story)
    story.forward(100)
    actions.acknowledge(story.engine, second, "bob", story.now_ms)
    story.forward(1000)  # nobody arrives: the calls begin again, and chen comes
    actions.on_scene(story.engine, second, "chen", story.now_ms)
    closed(story, second, "chen")
    third = fallen(story)
    story.forward(30)
    closed(story, third, "ann", Outcome.FALSE_ALARM)
    fallen(story, "w-zhao", "zhao")
    story.forward(400)
    report = report_of(story)
    total = report.total
    assert (total.count, total.unanswered, report.tests) == (4, 1, 0)
    assert (total.soon.hits, total.soon.total) == (2, 4)
    assert (total.late.hits, total.late.total) == (3, 4)
    assert (total.door.hits, total.door.total) == (1, 2)  # closed at 30 s says nothing, open for 400 s not yet
    assert (total.false_alarms.hits, total.false_alarms.total) == (1, 3)
    assert sorted(total.answer_s) == [20.0, 30.0, 100.0]
    (unreached,) = report.unreached
    assert (unreached.person, unreached.area, unreached.still) == ("zhao", "d.street.empty", True)
    by_area = {row.path: row.incidents.count for row in report.areas}
    assert by_area == {"d": 4, "d.street": 4, "d.street.station": 3, "d.street.empty": 1}
    assert [row.leaf for row in report.areas] == [False, False, True, True]
    ann, bob = (next(row for row in report.responders if row.id == who) for who in ("ann", "bob"))
    assert (ann.provider, ann.calls.soon.hits, ann.calls.soon.total) == ("Red Cross", 2, 4)  # twice in the second
    assert ann.calls.door.share.hits == 1
    assert (bob.calls.soon.hits, bob.calls.soon.total) == (0, 2)  # 70 s after his call
    assert (bob.calls.late.hits, bob.calls.door.hits, bob.calls.door.total) == (1, 0, 1)


def test_an_area_without_connection_does_not_count(reported: Story) -> None:
    """Nobody waits at a door there; a call for help from there counts."""
    reported.deliver(silence(reported))
    fallen(reported)
    reported.forward(3600)
    report = report_of(reported)
    assert (report.total.count, report.tests, report.total.unanswered) == (1, 0, 1)
    assert {row.kind for row in report.unreached} == {"fall"}


def test_tests_and_drills_do_not_count(reported: Story) -> None:
    """What was closed as a test is only counted as one."""
    story = reported
    incident = fallen(story)
    story.forward(200)
    closed(story, incident, "ann", Outcome.TEST)
    report = report_of(story)
    assert (report.total.count, report.tests, report.responders, report.areas) == (0, 1, (), ())


def test_whom_the_wearer_spared_is_not_counted_against(reported: Story) -> None:
    """Cancelled after 10 s: nobody could have answered; and no false alarm of a responder's."""
    story = reported
    fall = story.happens("fall")
    story.forward(10)
    story.happens("cancel", severity=Severity.INFO, notes={"re": prompt_id(fall.id)})
    total = report_of(story).total
    assert (total.count, total.outcomes["cancelled"]) == (1, 1)
    assert (total.soon.total, total.late.total, total.door.total, total.unanswered) == (0, 0, 0, 0)


def test_a_responder_whom_nothing_reaches_is_named_and_not_blamed(reported: Story, sink: Sink) -> None:
    """Every message to Ann is refused, and Mute has no channel: that is no slow answer of theirs."""
    story = reported
    sink.default["ann"] = Answer(status=410)
    for _ in range(2):
        incident = fallen(story)
        story.forward(45)
        actions.acknowledge(story.engine, incident, "bob", story.now_ms)
        closed(story, incident, "bob")
    report = report_of(story)
    assert [(row.name, row.calls.count, row.calls.unreached) for row in report.silent] == [
        ("Ann", 2, 2),
        ("Mute", 2, 2),
    ]
    assert report.silent[0].calls.soon.total == 0


def test_what_a_device_tells_hours_later_has_no_time_to_be_answered_in(reported: Story) -> None:
    """It is counted as an incident, and timed by nobody."""
    story = reported
    story.happens("fall", historical=True, onset_ms=START_MS - 7_200_000)
    story.forward(500)
    total = report_of(story).total
    assert (total.count, total.historical, total.soon.total, total.unanswered) == (1, 1, 0, 0)


def test_an_area_and_a_period_choose_what_is_counted(reported: Story) -> None:
    """Only what lies in the area or below it, opened from the first instant to before the last."""
    story = reported
    fallen(story)
    fallen(story, "w-zhao", "zhao")
    assert report_of(story, "d.street.empty").total.count == 1
    assert report_of(story, "d.street").total.count == 2
    assert [row.depth for row in report_of(story, "d.street").areas] == [0, 1, 1]
    assert history.cases(story.engine, START_MS + 1, START_MS + 10) == []
    assert len(history.cases(story.engine, START_MS, START_MS + 1)) == 2
    assert history.cases(story.engine, START_MS, START_MS + 1, area="d.stree_") == []


@pytest.mark.parametrize(
    ("done_ms", "end_ms", "result"),
    [
        (60_000, 60_000, True),
        (60_001, 90_000, False),
        (None, 59_999, None),
        (None, 60_000, False),
        (0, 0, True),
    ],
)
def test_a_limit_counts_when_it_was_met_or_had_passed(done_ms: int | None, end_ms: int, result: bool | None) -> None:
    """On the second is in time; over before the limit says nothing."""
    assert within(0, done_ms, end_ms, 60) is result


def test_being_told_more_about_what_one_has_is_no_call_to_answer() -> None:
    """The second message to the one who has it can be answered by nobody."""

    def call(round_: int, at_ms: int) -> CallView:
        return CallView(
            responder="ann",
            round=round_,
            called_ms=at_ms,
            reached_ms=at_ms + 1_000,
            failed=False,
            reasons=(),
        )

    case = CaseView(
        id="i", kind="fall", severity="urgent", test=False, historical=False, person="p", device="w", area="d",
        opened_ms=0, on_scene_ms=None, resolved_ms=700_000, outcome=Outcome.TRUE,
        calls=(call(0, 0), call(1, 60_000)),
        takings=(TakingView(responder="ann", taken_ms=30_000, lost_ms=None),),
    )  # fmt: skip
    ann = calls_by_responder([case], 10_000_000)["ann"]
    assert (ann.count, ann.soon.hits, ann.soon.total, ann.answer_s) == (1, 1, 1, [29.0])


def test_a_rating_is_no_better_than_what_is_known() -> None:
    """Few cases give none; the same shares from more cases give more; the formula is the documented one."""
    few, some, many = (Calls(soon=Tally(n, n), late=Tally(n, n), door=Tally(n, n)) for n in (19, 20, 200))
    assert rate(few) is None
    score = rate(some)
    assert score is not None
    assert score.score == pytest.approx(83.89, abs=0.01)
    assert score.grade == "B"
    best = rate(many)
    assert best is not None
    assert (best.grade, round(best.score, 1)) == ("A", 98.1)
    assert rate(Calls(soon=Tally(200, 200), late=Tally(200, 200), door=Tally(3, 3))) is None


@given(st.integers(20, 500), st.integers(0, 500), st.integers(0, 500))
def test_one_answer_more_never_lowers_a_rating(total: int, soon: int, door: int) -> None:
    """Of as many cases, and the score stays between 0 and 100."""
    soon, door = min(soon, total - 1), min(door, total)
    less = rate(Calls(soon=Tally(soon, total), late=Tally(total, total), door=Tally(door, total)))
    more = rate(Calls(soon=Tally(soon + 1, total), late=Tally(total, total), door=Tally(door, total)))
    assert less is not None
    assert more is not None
    assert 0 <= less.score < more.score <= 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_stands_alone_and_escapes_what_it_is_told(reported: Story, language: str) -> None:
    """No script, nothing from elsewhere, names of organisations as text; every figure in words of one language."""
    story = reported
    incident = fallen(story)
    story.forward(45)
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    closed(story, incident, "bob")
    fallen(story, "w-zhao", "zhao")
    story.forward(400)
    html = page(report_of(story), language)
    assert "<script" not in html
    assert re.findall(r'(?:src|href)="', html) == []
    assert "=Blue &lt;b&gt;&amp; Co" in html
    assert html.count("<svg") == 2
    assert "45 " in html
    assert TEXTS[language]["never"] in html
    assert "Wang Xiuying" not in html  # keys only


def test_an_empty_time_is_said_to_be_one(reported: Story) -> None:
    """No division by nothing."""
    assert TEXTS["en"]["nothing"] in page(report_of(reported), "en")


def test_the_table_can_be_opened_in_a_spreadsheet(reported: Story, tmp_path: Path) -> None:
    """One header, a row for each of everything, and no name that a spreadsheet would run."""
    story = reported
    incident = fallen(story)
    story.forward(45)
    actions.acknowledge(story.engine, incident, "bob", story.now_ms)
    report = report_of(story)
    write_csv(report, tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as file:
        read = list(csv.DictReader(file))
    assert len(read) == len(list(rows(report))) == 1 + 3 + 24 + 2 + 2
    (total,) = (row for row in read if row["by"] == "all")
    assert (total["soon_hits"], total["soon_of"], total["median_answer_s"]) == ("1", "1", "45.0")
    assert [row["name"] for row in read if row["by"] == "provider"] == ["'=Blue <b>& Co", "Red Cross"]
    assert [row["cases"] for row in read if row["by"] == "hour" and row["key"] == "14"] == ["1"]


def test_both_languages_have_the_same_words() -> None:
    """And the same gaps in them."""
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, text in TEXTS["en"].items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", TEXTS["zh"][key])), key


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "0 s"), (48.4, "48 s"), (192.0, "3.2 min"), (5400.0, "1.5 h"), (172_800.0, "2.0 d")]
)
def test_durations_have_two_figures(seconds: float, said: str) -> None:
    """Whatever their size."""
    assert duration(seconds, "en") == said


def test_the_command_writes_both_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    """A page, a table, a summary; an unknown area and a wrong day are said in words."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'data' / 'carecircle.db'}")
    registry.upgrade(engine)
    with telling(engine, tmp_path, sink) as story:
        fallen(story)
        story.forward(300)
    engine.dispose()
    run = CliRunner().invoke
    made = run(app, ["report", "--from", "2026-03-03", "--to", "2026-03-03", "--out", str(tmp_path / "r.html"),
                     "--csv", str(tmp_path / "r.csv"), "--language", "zh"])  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "1 incidents" in made.output
    assert '<html lang="zh">' in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert (tmp_path / "r.csv").exists()
    assert "0 incidents" in run(app, ["report", "--from", "2026-03-04", "--to", "2026-03-04"]).output
    wrong = run(app, ["report", "--area", "street"])
    assert (wrong.exit_code, "is it d.street" in " ".join(wrong.output.split())) == (2, True)
    assert run(app, ["report", "--from", "March"]).exit_code == 2
    assert run(app, ["report", "--from", "2026-03-04", "--to", "2026-03-03"]).exit_code == 2


def test_ratings_that_are_written_decide_among_those_who_are_as_near_until_they_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: Sink
) -> None:
    """Ann and Bob are on call together, at one place; she came late. The next call takes it up, without a restart."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr("alerts.reporting.rating.LEAST_CASES", 1)
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'data' / 'carecircle.db'}")
    registry.upgrade(engine)
    place = "lat: 34.2601, lon: 108.92, travel: walk"
    with telling(engine, tmp_path, sink) as story:
        responders = {"ann": f'{place}, provider: "Red Cross"', "bob": f"{place}, provider: Blue"}
        settle_on(story, tmp_path / "roster", turns="ann + bob", responders=responders)
        late = fallen(story)
        story.forward(20)
        actions.acknowledge(story.engine, late, "ann", story.now_ms)
        story.forward(901)  # and never arrives
        closed(story, late, "desk")
        story.told()
        first = fallen(story)
        assert story.told() == ["ann"]
        story.forward(31)
        assert story.told() == ["bob"]
        actions.acknowledge(story.engine, first, "bob", story.now_ms)
        story.forward(100)
        there = actions.on_scene(story.engine, first, "bob", story.now_ms)
        assert there.state == "on_scene", there
        closed(story, first, "bob")
        said = CliRunner().invoke(app, ["report", "--from", "2026-03-03", "--to", "2026-03-03", "--write-ratings"])
        assert said.exit_code == 0, said.output
        assert "the best first: Blue" in said.output
        story.told()
        second = fallen(story)
        assert story.told() == ["bob"]
        closed(story, second, "bob")
        said = CliRunner().invoke(app, ["report", "--forget-ratings"])
        assert "no provider is preferred" in said.output
        story.told()
        fallen(story)
        assert story.told() == ["ann"]
    assert CliRunner().invoke(app, ["report", "--area", "d.street", "--write-ratings"]).exit_code == 2


def test_an_answer_from_the_console_counts_though_the_message_never_came(reported: Story, sink: Sink) -> None:
    """Ann saw it on the board: her answer counts from when she was called."""
    story = reported
    sink.default["ann"] = Answer(status=500)
    incident = fallen(story)
    story.forward(12)
    actions.acknowledge(story.engine, incident, "ann", story.now_ms)
    story.forward(200)
    ann = next(row for row in report_of(story).responders if row.id == "ann")
    assert (ann.calls.soon.hits, ann.calls.answer_s, ann.calls.unreached) == (1, [12.0], 0)
