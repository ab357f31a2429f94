"""Import and export of the registry: what is taken, what is refused and how that is said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

import registry
from detectors.fall.model import OPERATING_POINTS
from detectors.vitals.limits import NAMES
from registry.entries import LIMITS
from registry.errors import NoFolderError
from tests.registry.folders import AREAS, PEOPLE, RESPONDERS, write_folder


@pytest.fixture
def engine(registry_engine: Engine) -> Engine:
    """A registry without rows, on SQLite and on PostgreSQL."""
    return registry_engine


def problems_of(engine: Engine, folder: Path) -> list[str]:
    """What an import complains about, as text."""
    return [str(problem) for problem in registry.import_folder(engine, folder).problems]


def test_a_folder_of_yaml_and_csv_becomes_the_registry(engine: Engine, tmp_path: Path) -> None:
    """Each field arrives, with text kept as it was written."""
    diff = registry.import_folder(engine, write_folder(tmp_path / "in"))
    assert (diff.problems, diff.applied, diff.revision) == ([], True, 1)
    known = registry.directory(engine)
    wang = known.person("p-0001")
    assert wang is not None
    assert (wang.name, wang.phone, wang.lat, wang.risks) == (
        "Wang Xiuying", "02987654321", 34.2655, ("lives_alone", "dementia"),
    )  # fmt: skip
    li = known.responder("r-li")
    assert li is not None
    assert [channel.type for channel in li.channels] == ["webhook", "console"]
    assert li.languages == ("zh", "en")


def test_a_person_may_have_an_operating_point_of_their_own(engine: Engine, tmp_path: Path) -> None:
    """Each that the detector has; nobody has one unless it is said, and without it again nobody has."""
    registry.import_folder(engine, write_folder(tmp_path / "in"))
    assert {key: person.fall_point for key, person in registry.directory(engine).people.items()} == {
        "p-0001": "", "p-0002": "quiet",
    }  # fmt: skip
    for point in (*OPERATING_POINTS, "''"):
        folder = write_folder(tmp_path / "in", people=PEOPLE.replace("quiet", point))
        assert registry.import_folder(engine, folder).problems == []
        assert registry.directory(engine).people["p-0002"].fall_point == point.strip("'")


HEALTH = ", limits: {sbp_high_mmhg: 170, glucose_low_mmol_l: '4.4'}, conditions: [hypertension, diabetes]"
HOME = ", spo2_scale: 2, residents: 2, pets: true"


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_what_somebody_lives_with_and_in_is_kept_and_exported(
    engine: Engine, tmp_path: Path, form: Literal["yaml", "csv"]
) -> None:
    """Conditions, oxygen scale, own limits, who else is at home; nobody has any of it unless it is said."""
    person = "- {key: p-0001, name: A, area: lianhu" + HEALTH + HOME + "}\n"
    folder = write_folder(tmp_path / "in", people=person + "- {key: p-0002, name: B, area: lianhu}\n")
    assert registry.import_folder(engine, folder).problems == []
    told, other = (registry.directory(engine).people[key] for key in ("p-0001", "p-0002"))
    assert (told.conditions, told.spo2_scale, told.residents, told.pets) == (("hypertension", "diabetes"), 2, 2, True)
    assert told.limits == {"sbp_high_mmhg": 170.0, "glucose_low_mmol_l": 4.4}
    assert (other.conditions, other.spo2_scale, other.limits, other.residents, other.pets) == ((), 1, {}, 1, False)
    registry.export_folder(engine, tmp_path / "out", form=form)
    assert registry.import_folder(engine, tmp_path / "out").changes == []


def test_the_limits_are_those_that_the_vitals_detector_knows() -> None:
    """The rooms do not import each other; this test does."""
    assert LIMITS == NAMES


def test_importing_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    """The second import of a folder has no changes and leaves the revision alone."""
    folder = write_folder(tmp_path / "in")
    registry.import_folder(engine, folder)
    again = registry.import_folder(engine, folder)
    assert (again.changes, again.applied, again.revision) == ([], False, 1)


def test_a_dry_run_shows_the_difference_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    """Added, changed and removed rows are named; the registry stays as it was."""
    registry.import_folder(engine, write_folder(tmp_path / "in"))
    people = PEOPLE.replace("Zhang Wei", "Zhang Weiwei") + "- {key: p-0003, name: New, area: lianhu}\n"
    folder = write_folder(tmp_path / "new", people=people, devices="id,person\nw-1,p-0001\n")
    diff = registry.import_folder(engine, folder, dry_run=True, remove=True)
    assert [str(change) for change in diff.changes if change.table == "people"] == [
        "~ people p-0002: name 'Zhang Wei' -> 'Zhang Weiwei'",
        "+ people p-0003",
    ]
    assert diff.count("devices", "removed") == 2
    assert registry.current_revision(engine) == 1
    assert registry.directory(engine).person("p-0003") is None


def test_what_a_file_no_longer_has_stays_unless_removal_is_asked_for(engine: Engine, tmp_path: Path) -> None:
    """A file cut short must not delete a district."""
    registry.import_folder(engine, write_folder(tmp_path / "in"))
    short = write_folder(tmp_path / "short", devices="id\n")
    kept = registry.import_folder(engine, short)
    assert kept.kept == {"devices": 3}
    assert len(registry.directory(engine).devices) == 3
    registry.import_folder(engine, short, remove=True)
    assert len(registry.directory(engine).devices) == 0


def test_a_change_raises_the_revision_and_reaches_every_table(engine: Engine, tmp_path: Path) -> None:
    """Updated rows are updated in place, also in the on-call order, which is replaced as a whole."""
    registry.import_folder(engine, write_folder(tmp_path / "in"))
    folder = write_folder(
        tmp_path / "new",
        areas=AREAS.replace("Station 1", "First station"),
        responders=RESPONDERS.replace("Li Na", "Li Na (nurse)"),
        on_call="lianhu: [r-desk]\nlianhu.taoyuan.s1: [r-desk, r-li]\n",
    )
    diff = registry.import_folder(engine, folder)
    assert diff.revision == 2
    known = registry.directory(engine)
    assert known.areas["lianhu.taoyuan.s1"].name == "First station"
    assert [entry.name for entry in known.on_call_for("lianhu.taoyuan.s1", 0)] == ["District desk", "Li Na (nurse)"]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"people": PEOPLE.replace("lat: 34.2655", "lat: 134.2655")}, "people.yaml:5: lat: Expected `float` <= 90.0"),
        ({"people": PEOPLE.replace("  name: Zhang Wei\n", "")}, "people.yaml:10: name is missing"),
        ({"people": PEOPLE.replace("risks:", "riks:")}, "people.yaml:9: there is no field 'riks'"),
        ({"people": PEOPLE.replace("p-0002", "p-0001")}, "people.yaml:10: 'p-0001' stands in people.yaml:1 already"),
        ({"people": PEOPLE.replace("area: lianhu.taoyuan\n", "area: lianhu.x\n")},
         "people.yaml:12: there is no area 'lianhu.x'"),
        ({"people": PEOPLE.replace("  address:", "  name: Other\n  address:")},
         "people.yaml:4: field 'name' stands twice"),
        ({"people": "- key: [1\n"}, "people.yaml:2: is not YAML"),
        ({"people": "key: p-1\n"}, "people.yaml:1: people must be a list"),
        ({"people": "- &a [*a]\n"}, "people.yaml:1: an entry of people must be a mapping"),
        ({"people": "- {key: p-1, name: N, area: lianhu, risks: &a [*a]}\n"}, "people.yaml:1: risks:"),
        ({"people": PEOPLE.replace("quiet", "Quiet")},
         "people.yaml:13: fall_point: 'Quiet' is none of sensitive, balanced, quiet"),
        ({"people": PEOPLE.replace("fall_point: quiet", "spo2_scale: 3")},
         "people.yaml:13: spo2_scale: '3' is none of 1, 2"),
        ({"people": PEOPLE.replace("fall_point: quiet", "limits: {sbp: 170}")},
         "people.yaml:13: limits: there is no limit 'sbp', only sbp_high_mmhg,"),
        ({"people": PEOPLE.replace("fall_point: quiet", "limits: {sbp_high_mmhg: -1}")}, "people.yaml:13: limits:"),
        ({"areas": AREAS + "- {path: zhou, name: B}\n"}, "areas.yaml:7: 'zhou' stands beside 'lianhu': put one"),
        ({"areas": AREAS.replace("- path: lianhu.taoyuan\n  name: Taoyuan street\n", "")},
         "areas.yaml:3: 'lianhu.taoyuan.s1' has no parent: add 'lianhu.taoyuan'"),
        ({"devices": "id,person\nw-1,p-9\n"}, "devices.csv:2: there is no person 'p-9'"),
        ({"devices": 'id,model\na,"two\nlines"\nb b,x\n'}, "devices.csv:4: id: Expected `str` matching regex"),
        ({"devices": "id,person\nw-1\n"}, "devices.csv:2: has 1 cells, the header has 2"),
        ({"devices": "id,id\n1,2\n"}, "devices.csv:1: column 'id' stands twice"),
        ({"devices": 'id\n"open\n'}, "devices.csv:2: is not CSV"),
        ({"responders": RESPONDERS.replace("https://hooks", "hooks")}, "responders.yaml:6: a webhook needs a url"),
        ({"responders": RESPONDERS.replace("whsec_", "!")}, "responders.yaml:6: a webhook needs a secret"),
        ({"responders": RESPONDERS.replace("type: webhook", "type: pigeon")},
         "responders.yaml:6: channel type 'pigeon' is none of webhook, apprise, siren, console"),
        ({"responders": RESPONDERS.replace("{type: console}", "{type: apprise, url: 'nothing://x'}")},
         "responders.yaml:14: the url (nothing://...) is none that Apprise can use"),
        ({"responders": RESPONDERS.replace("{type: console}", "{type: apprise, url: 'ntfy://h/t', secret: x}")},
         "responders.yaml:14: an apprise channel takes no secret"),
        ({"responders": RESPONDERS.replace("{type: console}", "{type: siren, url: s-1}")},
         "responders.yaml:14: there is no device 's-1'"),
        ({"responders": RESPONDERS.replace("{type: console}", "{type: siren}")},
         "responders.yaml:14: a siren needs the id of its device"),
        ({"responders": RESPONDERS.replace("{type: console}", "{type: console, per_minute: 0}")},
         "responders.yaml:14: channels: Expected `int` >= 1"),
        ({"on_call": "lianhu:\n  - r-desk\n  - r-who\n"}, "on_call.yaml:3: there is no responder 'r-who'"),
        ({"on_call": "lianhu:\n  - r-desk\n  - r-desk\n"}, "on_call.yaml:3: 'r-desk' stands twice in the order"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_file_and_line(
    sqlite_registry: Engine, tmp_path: Path, changed: dict[str, str], complaint: str
) -> None:
    """Nothing is imported, and the complaint leads to the place."""
    found = problems_of(sqlite_registry, write_folder(tmp_path / "in", **changed))
    assert any(problem.startswith(complaint) for problem in found), found
    assert registry.current_revision(sqlite_registry) == 0
    assert not registry.directory(sqlite_registry).areas


def test_all_mistakes_are_named_at_once(sqlite_registry: Engine, tmp_path: Path) -> None:
    """Whoever corrects a file sees everything that is wrong with it."""
    people = PEOPLE.replace("lat: 34.2655", "lat: north").replace("name: Zhang Wei", "name: ''")
    found = problems_of(sqlite_registry, write_folder(tmp_path / "in", people=people))
    assert [problem.rpartition(":")[0].split(": ")[0] for problem in found] == ["people.yaml:5", "people.yaml:11"]


def test_a_file_that_is_not_utf8_is_named_with_the_line(sqlite_registry: Engine, tmp_path: Path) -> None:
    """A spreadsheet saved in another encoding."""
    folder = write_folder(tmp_path / "in")
    (folder / "devices.csv").write_bytes("id,model\na,b\nw-1,手环\n".encode("gb18030"))
    assert problems_of(sqlite_registry, folder) == ["devices.csv:3: is not UTF-8: save the file as UTF-8"]


def test_two_files_for_one_table_are_refused(sqlite_registry: Engine, tmp_path: Path) -> None:
    """Which of the two counts would be a guess."""
    folder = write_folder(tmp_path / "in")
    (folder / "people.csv").write_text("key,name,area\np-1,N,lianhu\n")
    assert problems_of(sqlite_registry, folder) == [
        "people.yaml: people stands in people.csv already: keep one of the two"
    ]


def test_a_folder_that_is_not_there_says_what_to_name(sqlite_registry: Engine, tmp_path: Path) -> None:
    """And so does one with none of the files."""
    with pytest.raises(NoFolderError, match="is not a folder"):
        registry.import_folder(sqlite_registry, tmp_path / "nowhere")
    with pytest.raises(NoFolderError, match="has none of areas, people"):
        registry.import_folder(sqlite_registry, tmp_path)


def test_removing_an_area_that_people_live_in_is_refused(engine: Engine, tmp_path: Path) -> None:
    """Also when those people stand in the database only."""
    registry.import_folder(engine, write_folder(tmp_path / "in"))
    (tmp_path / "areas").mkdir()
    (tmp_path / "areas" / "areas.csv").write_text("path,name\nlianhu,Lianhu\n")
    diff = registry.import_folder(engine, tmp_path / "areas", remove=True)
    assert "registry: people 'p-0001': there is no area 'lianhu.taoyuan.s1'" in str(diff.problems[0])
    assert not diff.applied


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_an_export_imports_as_no_change(engine: Engine, tmp_path: Path, form: str) -> None:
    """Both formats hold everything; the files are for their owner only."""
    registry.import_folder(engine, write_folder(tmp_path / "in"))
    written = registry.export_folder(engine, tmp_path / "out", form="csv" if form == "csv" else "yaml")
    assert {oct(path.stat().st_mode & 0o777) for path in written} == {"0o600"}
    again = registry.import_folder(engine, tmp_path / "out", remove=True)
    assert (again.problems, again.changes, again.kept) == ([], [], {})


def test_on_call_positions_with_gaps_are_an_order(engine: Engine, tmp_path: Path) -> None:
    """10, 20 in a spreadsheet is the same as 1, 2, whatever the lines' order."""
    folder = write_folder(tmp_path / "in")
    (folder / "on_call.yaml").unlink()
    (folder / "on_call.csv").write_text("area,position,responder\nlianhu,20,r-li\nlianhu,10,r-desk\n")
    registry.import_folder(engine, folder)
    assert [entry.id for entry in registry.directory(engine).on_call_for("lianhu", 0)] == ["r-desk", "r-li"]
    (folder / "on_call.csv").unlink()
    (folder / "on_call.yaml").write_text("lianhu: [r-desk, r-li]\n")
    assert registry.import_folder(engine, folder).changes == []


def test_one_file_can_hold_a_whole_district(engine: Engine, tmp_path: Path) -> None:
    """The example of the documentation is one that works."""
    page = (Path(__file__).parents[2] / "docs" / "registry.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n# district.yaml\n")[1].split("```")[0]
    (tmp_path / "district.yaml").write_text(example, encoding="utf-8")
    diff = registry.import_folder(engine, tmp_path)
    assert diff.problems == []
    known = registry.directory(engine)
    assert all(known.on_call_for(person.area, 0) for person in known.people.values())
    assert known.desk(0)


def test_eighteen_thousand_people_are_imported_within_seconds(sqlite_registry: Engine, tmp_path: Path) -> None:
    """The scale of a district; 30 s is the goal, so that a slow machine passes too."""
    areas = "path,name\nd,D\n" + "".join(f"d.s{i},S{i}\n" for i in range(125))
    people = "".join(
        f"- key: p-{i:05}\n  name: Person {i}\n  area: d.s{i % 125}\n  address: Road {i}\n  lat: 34.2\n  lon: 108.9\n"
        for i in range(18_000)
    )
    devices = "id,person\n" + "".join(f"w-{i:05},p-{i:05}\n" for i in range(18_000))
    for name, content in {"areas.csv": areas, "people.yaml": people, "devices.csv": devices}.items():
        (tmp_path / name).write_text(content)
    start = time.monotonic()
    diff = registry.import_folder(sqlite_registry, tmp_path)
    assert diff.applied
    assert len(diff.changes) == 126 + 36_000
    assert time.monotonic() - start < 30


def test_the_tables_are_those_that_the_migrations_make(engine: Engine) -> None:
    """A column added to the models without a migration would show here."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from registry.models import metadata

    options = {
        "compare_type": True,
        "include_name": lambda name, kind, _: kind != "table" or name in metadata.tables,  # the others are of alerts
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, metadata)
    assert [each for each in differences if "alembic_version" not in str(each)] == []


def version_of(engine: Engine) -> str:
    """The newest migration that this database has."""
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT version_num FROM alembic_version_registry")).scalar_one())


def newest_migration() -> str:
    """By the names of the files."""
    folder = Path(registry.__file__).parent / "migrations" / "versions"
    return max(path.name.partition("_")[0] for path in folder.glob("r*.py"))


def test_upgrading_twice_is_harmless(engine: Engine) -> None:
    """Every process upgrades at its start."""
    registry.upgrade(engine)
    assert version_of(engine) == newest_migration()


def test_the_people_of_the_first_release_stay_as_they_are(empty_url: str) -> None:
    """They have no operating point, also those that a process of that release still writes."""
    engine = registry.create_engine(empty_url)
    config = Config()
    config.set_main_option("script_location", str(Path(registry.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with registry.writing(engine) as connection:
        config.attributes.update(connection=connection, version_table="alembic_version_registry")
        command.upgrade(config, "r0001")
        connection.execute(text("INSERT INTO area (path, name) VALUES ('a', 'A')"))
    add = text(
        "INSERT INTO person (key, name, area, address, language, phone, risks)"
        " VALUES (:key, 'N', 'a', '', 'en', '', '[]')"
    )
    with registry.writing(engine) as connection:
        connection.execute(add, {"key": "p-1"})
    registry.upgrade(engine)
    with registry.writing(engine) as connection:
        connection.execute(add, {"key": "p-2"})
    assert version_of(engine) == newest_migration()
    assert {key: person.fall_point for key, person in registry.directory(engine).people.items()} == {
        "p-1": "", "p-2": "",
    }  # fmt: skip
    engine.dispose()
