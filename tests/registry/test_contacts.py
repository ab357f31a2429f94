"""Who stands by somebody: from a file, with its line where it is wrong, and out again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

import registry
from carecircle.cli.registry import app
from registry.contacts import contact_id
from tests.registry.folders import PEOPLE, SECRET, write_folder

CONTACTS = f"""\
person,relation,responder,name,phone,channels,languages,lat,lon,notify,has_key
p-0001,family,,Wang Fang,13800000001,webhook https://hooks.example/fang {SECRET},,,,always,
p-0001,family,,Wang Lei,13800000002,,en,,,,true
p-0001,neighbour,,Old Zhang,,console,,34.2656,108.9231,,1
p-0001,family_doctor,r-li,,,,,,,,
"""
FANG, LEI = contact_id("p-0001", "Wang Fang"), contact_id("p-0001", "Wang Lei")


def with_contacts(folder: Path, text: str = CONTACTS, **changed: str) -> Path:
    """The usual folder and a file of contacts."""
    write_folder(folder, **changed)
    (folder / "contacts.csv").write_text(text, encoding="utf-8")
    return folder


def test_relatives_of_a_csv_file_become_responders_with_a_relation(registry_engine: Engine, tmp_path: Path) -> None:
    """One line each: no second file for who is nobody's colleague. What is not said is as the person has it."""
    diff = registry.import_folder(registry_engine, with_contacts(tmp_path))
    assert diff.problems == []
    assert diff.count("contacts", "added") == 4
    known = registry.directory(registry_engine)
    of = {one.responder: one for one in known.contacts["p-0001"]}
    assert [(of[one].relation, of[one].position, of[one].notify, of[one].has_key) for one in (FANG, LEI, "r-li")] == [
        ("family", 1, "always", False), ("family", 2, "policy", True), ("family_doctor", 1, "policy", False),
    ]  # fmt: skip
    fang, lei = known.responders[FANG], known.responders[LEI]
    assert (fang.name, fang.area, fang.languages, fang.contact_of) == (
        "Wang Fang",
        "lianhu.taoyuan.s1",
        ("zh",),
        "p-0001",
    )
    assert (fang.phone, fang.channels[0].url) == ("13800000001", "https://hooks.example/fang")
    assert (lei.languages, lei.channels) == (("en",), ())
    assert known.responders["r-li"].contact_of == ""
    assert registry.import_folder(registry_engine, tmp_path).changes == []


def test_contacts_may_stand_under_their_person(sqlite_registry: Engine, tmp_path: Path) -> None:
    """In YAML that is where one looks for them; a mistake has its own line."""
    people = PEOPLE.replace(
        "  risks: [lives_alone, dementia]\n",
        "  contacts:\n    - relation: family\n      name: Wang Fang\n      channels:\n        - {type: console}\n"
        "    - {relation: family_doctor, responder: r-li}\n",
    )
    folder = write_folder(tmp_path, people=people)
    assert registry.import_folder(sqlite_registry, folder).problems == []
    known = registry.directory(sqlite_registry)
    assert {one.responder for one in known.contacts["p-0001"]} == {FANG, "r-li"}
    assert known.responders[FANG].channels[0].type == "console"
    (folder / "people.yaml").write_text(people.replace("responder: r-li", "responder: r-nobody"))
    (problem,) = registry.import_folder(sqlite_registry, folder).problems
    assert str(problem).startswith("people.yaml:14: there is no responder 'r-nobody'")


def test_the_examples_of_the_documentation_work(sqlite_registry: Engine, tmp_path: Path) -> None:
    """The file of contacts, the same under a person, and a policy of family, neighbours and emergency service."""
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "registry.md").read_text(encoding="utf-8")
    write_folder(tmp_path)
    (tmp_path / "responders.yaml").write_text(
        "- {id: dr-zhou, name: Dr Zhou, area: lianhu}\n- {id: r-li, name: Li, area: lianhu}\n"
        "- {id: r-desk, name: Desk, area: lianhu}\n- {id: d120, name: '120', area: lianhu, roles: [emergency]}\n"
    )
    (tmp_path / "contacts.csv").write_text("person,relation" + page.split("person,relation", 1)[1].split("```")[0])
    policies = (docs / "alerts.md").read_text(encoding="utf-8").split("- id: taoyuan\n", 1)[1].split("```")[0]
    (tmp_path / "policies.yaml").write_text("- id: taoyuan\n" + policies)
    diff = registry.import_folder(sqlite_registry, tmp_path)
    assert [str(problem) for problem in diff.problems] == []
    assert len(registry.directory(sqlite_registry).contacts["p-0001"]) == 3
    (tmp_path / "contacts.csv").unlink()
    nested = "- key: p-0001\n" + page.split("```yaml\n- key: p-0001\n", 1)[1].split("```")[0]
    (tmp_path / "people.yaml").write_text(nested.replace("lianhu.taoyuan.fengqing", "lianhu.taoyuan"), encoding="utf-8")
    assert registry.import_folder(sqlite_registry, tmp_path).problems == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("p-0009,family,,Ann,,,,,,,", "contacts.csv:2: there is no person 'p-0009'"),
        ("p-0009,family,r-li,,,,,,,,", "contacts.csv:2: there is no person 'p-0009'"),
        ("p-0001,family,r-nobody,,,,,,,,", "contacts.csv:2: there is no responder 'r-nobody'"),
        ("p-0001,family,,,1380,,,,,,", "contacts.csv:2: phone belongs to a responder"),
        ("p-0001,family,,,,,,,,,", "contacts.csv:2: responder is missing"),
        ("p-0001,,r-li,,,,,,,,", "contacts.csv:2: relation is missing"),
        ("p-0001,family,r-li,Li,,,,,,,", "contacts.csv:2: 'r-li' stands in responders.yaml:1 already"),
        ("p-0001,family,,Ann,,,,95,1,,", "contacts.csv:2: lat: Expected `float` <= 90"),
        ("p-0001,family,,Ann,,webhook x,,,,,", "contacts.csv:2: "),
        ("p-0001,family,r-li,,,,,,,sometimes,", "contacts.csv:2: notify: 'sometimes' is none of policy, always"),
        ("p-0001,family,r-li,,,,,,,,perhaps", "contacts.csv:2: has_key: Expected `bool`"),
    ],
)
def test_a_wrong_contact_is_named_with_its_line(
    sqlite_registry: Engine, tmp_path: Path, line: str, message: str
) -> None:
    """And nothing is written."""
    folder = with_contacts(tmp_path, CONTACTS.split("\n", 1)[0] + "\n" + line + "\n")
    diff = registry.import_folder(sqlite_registry, folder)
    assert not diff.applied
    assert any(str(problem).startswith(message) for problem in diff.problems), [str(one) for one in diff.problems]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("{relation: neighbor}", "step 1 calls the relation 'neighbor': no contact has it, and it is none of family"),
        ("{relation: family, role: nurse}", "step 1 names a relation, and responders, tier, layer or role too"),
        ("{tier: own, within_min: 10}", "step 1 has within_min, which is for a relation"),
        ("{relation: family, within_min: 0}", "Expected `float` > 0.0"),
        ("{emergency: true, responders: [r-li], beside: true}", "step 1 is emergency and beside"),
        ("{emergency: true, tier: own}", "step 1 is emergency: it calls those with the role 'emergency'"),
        ("{emergency: true}", "step 1 is emergency, and no responder has the role 'emergency'"),
    ],
)
def test_a_step_that_leads_to_nobody_is_named(sqlite_registry: Engine, tmp_path: Path, step: str, message: str) -> None:
    """A slip of the pen must not leave the neighbours out."""
    folder = with_contacts(tmp_path)
    (folder / "policies.yaml").write_text(f"- id: p\n  area: lianhu\n  steps: [{step}]\n")
    (problem, *_) = registry.import_folder(sqlite_registry, folder).problems
    assert str(problem).startswith("policies.yaml:3: steps: ")
    assert message in str(problem)


def test_a_relation_of_ones_own_is_taken_where_a_contact_has_it(sqlite_registry: Engine, tmp_path: Path) -> None:
    """The caretaker of the building."""
    folder = with_contacts(tmp_path, "person,relation,name\np-0001,caretaker,Old Liu\n")
    (folder / "policies.yaml").write_text("- id: p\n  area: lianhu\n  steps: [{relation: caretaker}, {}]\n")
    assert registry.import_folder(sqlite_registry, folder).problems == []


def test_a_contact_does_not_take_the_place_of_a_responder(sqlite_registry: Engine, tmp_path: Path) -> None:
    """A nurse who is imported already keeps her shifts, roles and phone."""
    folder = with_contacts(tmp_path)
    registry.import_folder(sqlite_registry, folder)
    (folder / "responders.yaml").unlink()
    (folder / "contacts.csv").write_text("person,relation,responder,name\np-0001,friend,r-li,Li\n")
    (problem,) = registry.import_folder(sqlite_registry, folder).problems
    assert str(problem).startswith("contacts.csv:2: 'r-li' is a responder already")


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_contacts_survive_export_and_import(sqlite_registry: Engine, tmp_path: Path, form: str) -> None:
    """As links, and who was made for one among the responders."""
    registry.import_folder(sqlite_registry, with_contacts(tmp_path / "in"))
    registry.export_folder(sqlite_registry, tmp_path / "out", form="csv" if form == "csv" else "yaml")
    diff = registry.import_folder(sqlite_registry, tmp_path / "out", remove=True)
    assert (diff.problems, diff.changes) == ([], [])


def test_what_an_import_would_do_to_contacts_is_said_without_their_phones(
    sqlite_registry: Engine, tmp_path: Path
) -> None:
    """A dry run changes nothing."""
    folder = with_contacts(tmp_path)
    registry.import_folder(sqlite_registry, folder)
    swapped = CONTACTS.replace("13800000001", "13900000001").replace("always,", "policy,true")
    (folder / "contacts.csv").write_text(swapped)
    diff = registry.import_folder(sqlite_registry, folder, dry_run=True)
    assert [str(change) for change in diff.changes] == [
        f"~ responders {FANG}: phone changed",
        f"~ contacts p-0001 {FANG}: notify 'always' -> 'policy', has_key False -> True",
    ]
    assert not diff.applied


def test_who_is_no_contact_any_more_is_removed_with_their_phone(sqlite_registry: Engine, tmp_path: Path) -> None:
    """With --remove only; responders of their own stay, and so does everybody where the file of contacts is away."""
    folder = with_contacts(tmp_path)
    registry.import_folder(sqlite_registry, folder)
    (folder / "contacts.csv").write_text("\n".join(CONTACTS.splitlines()[:2]) + "\n")
    kept = registry.import_folder(sqlite_registry, folder)
    assert (kept.changes, kept.kept["contacts"]) == ([], 3)
    (folder / "responders.yaml").rename(folder / "aside")
    diff = registry.import_folder(sqlite_registry, folder, remove=True)
    assert sorted((change.table, change.what) for change in diff.changes) == [
        ("contacts", "removed"), ("contacts", "removed"), ("contacts", "removed"),
        ("responders", "removed"), ("responders", "removed"),
    ]  # fmt: skip
    assert {FANG, "r-li", "r-desk"} == registry.directory(sqlite_registry).responders.keys()
    (folder / "aside").rename(folder / "responders.yaml")
    (folder / "contacts.csv").unlink()
    assert registry.import_folder(sqlite_registry, folder, remove=True).changes == []


def test_who_moves_away_takes_their_contacts_along(sqlite_registry: Engine, tmp_path: Path) -> None:
    """A person is removed without a word about their relatives in a file."""
    folder = with_contacts(tmp_path)
    registry.import_folder(sqlite_registry, folder)
    (folder / "contacts.csv").unlink()
    (folder / "devices.csv").write_text("id\nspare\n")
    (folder / "people.yaml").write_text("- {key: p-0002, name: Zhang Wei, area: lianhu.taoyuan}\n")
    diff = registry.import_folder(sqlite_registry, folder, remove=True)
    assert diff.problems == []
    known = registry.directory(sqlite_registry)
    assert (dict(known.contacts), known.responders.keys()) == ({}, {"r-li", "r-desk"})


def test_positions_count_within_a_relation_and_only_their_order(sqlite_registry: Engine, tmp_path: Path) -> None:
    """10 before 20, and who has none after them in the order of the file."""
    lines = (
        "person,relation,position,name\np-0001,family,,C\np-0001,family,20,B\np-0001,family,10,A\np-0001,friend,7,F\n"
    )
    registry.import_folder(sqlite_registry, with_contacts(tmp_path, lines))
    known = registry.directory(sqlite_registry)
    found = {known.responders[one.responder].name: one.position for one in known.contacts["p-0001"]}
    assert found == {"A": 1, "B": 2, "C": 3, "F": 1}


def test_what_should_be_known_of_contacts_is_a_note_and_no_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lives alone and has nobody, who has no channel, who is nowhere, and a relation with a meaning of its own."""
    monkeypatch.setenv("CARECIRCLE_DATA_DIR", str(tmp_path / "data"))
    folder = write_folder(tmp_path / "in")
    alone = CliRunner().invoke(app, ["check", str(folder)])
    assert "note: people p-0001: lives alone and has no contact" in alone.stdout
    odd = "person,relation,name\np-0001,neighbour,Old Zhang\np-0001,Family,Lei\n"
    with_contacts(folder, odd)
    found = CliRunner().invoke(app, ["check", str(folder)])
    assert found.exit_code == 0
    zhang = contact_id("p-0001", "Old Zhang")
    assert f"note: contacts p-0001 {zhang} (neighbour): has no channel and cannot be told" in found.stdout
    assert f"note: contacts p-0001 {zhang} (neighbour): has no coordinates" in found.stdout
    assert "(Family): this relation is none of family, friend" in found.stdout
    assert "lives alone" not in found.stdout
    CliRunner().invoke(app, ["import", str(folder)])
    coverage = CliRunner().invoke(app, ["coverage", "--contacts"])
    assert f"contacts p-0001 {zhang} (neighbour): has no channel" in coverage.stdout


def test_a_phone_of_a_relative_is_sealed_like_any_other(tmp_path: Path) -> None:
    """Nothing of it lies open in the file of the database."""
    from registry.keys import Keys, draw_key

    path, key = tmp_path / "r.db", draw_key()
    engine = registry.create_engine(f"sqlite:///{path}", keys=Keys(lambda: key))
    registry.upgrade(engine)
    registry.import_folder(engine, with_contacts(tmp_path / "in"))
    assert registry.directory(engine).responders[FANG].phone == "13800000001"
    engine.dispose()
    assert b"13800000001" not in b"".join(each.read_bytes() for each in tmp_path.glob("r.db*"))


def test_thirty_thousand_contacts_are_imported_within_seconds(sqlite_registry: Engine, tmp_path: Path) -> None:
    """The scale of a district with its 18,000 people; 30 s is the goal for all of it."""
    (tmp_path / "areas.csv").write_text("path,name\nd,D\n")
    people = "".join(f"p-{i:05},Person {i},d,lives_alone\n" for i in range(18_000))
    (tmp_path / "people.csv").write_text("key,name,area,risks\n" + people)
    lines = "".join(
        f"p-{i % 18_000:05},{'family' if i < 18_000 else 'neighbour'},Contact {i},1380{i:07},console\n"
        for i in range(30_000)
    )
    (tmp_path / "contacts.csv").write_text("person,relation,name,phone,channels\n" + lines)
    start = time.monotonic()
    diff = registry.import_folder(sqlite_registry, tmp_path)
    taken_s = time.monotonic() - start
    assert diff.applied
    assert (len(diff.changes), len(diff.problems)) == (78_001, 0)
    assert taken_s < 30
