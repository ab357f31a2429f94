"""Door codes, phones and the secrets of channels: sealed in the database, opened for who has the key."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text, update

import registry
from registry import Keys, SealedError, models
from registry.errors import BadKeyError
from registry.keys import is_sealed
from registry.sealing import check_keys, count_sealed, door_code_of, reseal, scrub

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
CLEAR = ("029-8765-4321", "4711#", "138-0000-1111", "https://hooks.example/li-3f7a", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
DISTRICT = """\
areas: [{path: d, name: District}]
people:
  - {key: p-1, name: Wang, area: d, phone: 029-8765-4321, door_code: 4711#}
  - {key: p-2, name: Zhao, area: d}
responders:
  - id: li
    name: Li
    area: d
    phone: 138-0000-1111
    channels: [{type: webhook, url: "https://hooks.example/li-3f7a", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw},
               {type: console}]
on_call: {d: [li]}
"""
WITHOUT_CODES = DISTRICT.replace(", door_code: 4711#", "")

Open = Callable[..., Engine]


@pytest.fixture
def open_with(database_url: str) -> Iterator[Open]:
    """The same database, opened with these keys."""
    opened: list[Engine] = []

    def open_(*keys: str) -> Engine:
        ring = Keys(lambda: "\n".join(keys)) if keys else None
        opened.append(registry.create_engine(database_url, keys=ring))
        registry.upgrade(opened[-1])
        return opened[-1]

    yield open_
    for engine in opened:
        engine.dispose()


def import_text(engine: Engine, folder: Path, text_: str = DISTRICT, **how: bool) -> registry.Diff:
    """Import one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "district.yaml").write_text(text_, encoding="utf-8")
    return registry.import_folder(engine, folder, **how)


def file_bytes(engine: Engine) -> bytes:
    """The SQLite file and what stands beside it."""
    path = Path(str(engine.url.database))
    return b"".join(one.read_bytes() for one in path.parent.glob(path.name + "*"))


def code_of(engine: Engine, person: str = "p-1") -> str:
    """The door code as who may know it gets it."""
    with engine.connect() as connection:
        return door_code_of(connection, person)


def test_nothing_of_what_is_secret_lies_open_in_the_database(sqlite_folder_engine: Engine, tmp_path: Path) -> None:
    """Not in the file, not in its write-ahead log. The names do, so that the search is known to find something."""
    assert not import_text(sqlite_folder_engine, tmp_path / "in").problems
    lying = file_bytes(sqlite_folder_engine)
    assert b"Wang" in lying
    assert [clear for clear in CLEAR if clear.encode() in lying] == []
    known = registry.directory(sqlite_folder_engine)
    assert known.people["p-1"].phone == "029-8765-4321"
    assert known.responders["li"].phone == "138-0000-1111"
    assert known.responders["li"].channels[0].url == "https://hooks.example/li-3f7a"
    assert known.responders["li"].channels[1].type == "console"
    assert code_of(sqlite_folder_engine) == "4711#"


@pytest.fixture
def sqlite_folder_engine(tmp_path: Path) -> Iterator[Engine]:
    """A database in a file, with a key."""
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'db' / 'carecircle.db'}", keys=Keys(lambda: OLD))
    registry.upgrade(engine)
    yield engine
    engine.dispose()


def test_what_lay_open_is_gone_from_the_file_after_sealing_it(tmp_path: Path) -> None:
    """Overwritten rows stay in free places of a file and in its log until it is rewritten."""
    url = f"sqlite:///{tmp_path / 'db' / 'carecircle.db'}"
    bare = registry.create_engine(url)
    registry.upgrade(bare)
    with bare.connect() as connection:  # the one connection there is; some builds of SQLite have it on
        connection.exec_driver_sql("PRAGMA secure_delete=OFF")
    gone = "".join(f"  - {{key: g-{i}, name: G, area: d, phone: 029-0000-0000}}\n" for i in range(300))
    import_text(bare, tmp_path / "in", WITHOUT_CODES.replace("responders:\n", f"{gone}responders:\n"))
    import_text(bare, tmp_path / "in", WITHOUT_CODES, remove=True)
    lying = file_bytes(bare)
    assert all(clear.encode() in lying for clear in (*CLEAR, "029-0000-0000") if clear != "4711#")
    bare.dispose()
    engine = registry.create_engine(url, keys=Keys(lambda: NEW))
    assert reseal(engine) == 3
    assert scrub(engine)
    lying = file_bytes(engine)
    assert [clear for clear in (*CLEAR, "029-0000-0000") if clear.encode() in lying] == []
    assert registry.directory(engine).responders["li"].phone == "138-0000-1111"
    engine.dispose()


def test_a_directory_has_no_door_codes_and_without_secrets_needs_no_key(open_with: Open, tmp_path: Path) -> None:
    """Who must not know a code does not have it in memory either, where a log could take it from."""
    import_text(open_with(OLD), tmp_path)
    assert "4711#" not in repr(registry.directory(open_with(OLD)))
    known = registry.directory(open_with(), secrets=False)
    assert known.people["p-1"].phone == ""
    assert [channel.type for channel in known.responders["li"].channels] == ["webhook", "console"]
    assert not any(clear in repr(known) for clear in CLEAR)


@pytest.mark.parametrize("keys", [(), (NEW,)])
def test_a_missing_or_wrong_key_is_named_and_nothing_is_changed(
    open_with: Open, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    """At the start, at a directory, an import, an export and a rotation."""
    right = open_with(OLD)
    import_text(right, tmp_path / "in")
    (needed,) = Keys(lambda: OLD).ids
    wrong = open_with(*keys)
    with wrong.connect() as connection, pytest.raises(SealedError, match=f"4 phones, .* with key {needed}, and"):
        check_keys(connection)
    for attempt in (
        lambda: registry.directory(wrong),
        lambda: import_text(wrong, tmp_path / "in", DISTRICT.replace("Wang", "Wu")),
        lambda: registry.export_folder(wrong, tmp_path / "out"),
        lambda: reseal(wrong),
    ):
        with pytest.raises(SealedError, match=f"phone is encrypted with key {needed}, and"):
            attempt()
    assert registry.directory(right).people["p-1"].name == "Wang"
    assert registry.current_revision(right) == 1


def test_without_a_key_phones_and_webhooks_are_kept_and_door_codes_refused(open_with: Open, tmp_path: Path) -> None:
    """A trial works at once; a code does not lie open by mistake. The complaint says what to do, and not the code."""
    bare = open_with()
    diff = import_text(bare, tmp_path)
    (problem,) = map(str, diff.problems)
    assert problem.startswith("district.yaml:3: door_code: ")
    assert "registry.key_file" in problem
    assert "rotate-key" in problem
    assert "4711" not in problem
    assert import_text(bare, tmp_path, WITHOUT_CODES).applied
    assert registry.directory(bare).people["p-1"].phone == "029-8765-4321"
    with bare.connect() as connection:
        count = count_sealed(connection)
    assert (count.by_key, count.unsealed) == ({}, 3)


def test_with_a_new_key_everything_is_sealed_anew_and_the_old_one_is_not_needed(
    open_with: Open, tmp_path: Path
) -> None:
    """The row of the old key cannot be read without it, those of the new one can."""
    import_text(open_with(OLD), tmp_path)
    both = open_with(NEW, OLD)
    assert reseal(both) == 0
    assert registry.current_revision(both) == 2
    only_new = open_with(NEW)
    assert code_of(only_new) == "4711#"
    assert registry.directory(only_new).responders["li"].channels[0].secret.endswith("LaLaSw")
    assert import_text(only_new, tmp_path).changes == []
    with only_new.connect() as connection:
        assert count_sealed(connection).by_key == {Keys(lambda: NEW).newest: 4}
    with pytest.raises(SealedError):
        registry.directory(open_with(OLD))


def test_a_running_process_takes_up_a_new_key_from_its_file(database_url: str, tmp_path: Path) -> None:
    """It asks for the keys again when it meets one that it does not know."""
    file = tmp_path / "registry.key"
    file.write_text(OLD)
    running = registry.create_engine(database_url, keys=Keys(file.read_text))
    registry.upgrade(running)
    import_text(running, tmp_path / "in")
    file.write_text(f"{NEW}\n{OLD}\n")
    command = registry.create_engine(database_url, keys=Keys(file.read_text))
    reseal(command)
    assert registry.directory(running).people["p-1"].phone == "029-8765-4321"
    command.dispose()
    running.dispose()


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_an_export_has_door_codes_only_with_secrets_and_comes_back_as_no_change(
    open_with: Open, tmp_path: Path, form: str
) -> None:
    """The one without leaves the codes as they are; the one with moves them to another database."""
    engine = open_with(OLD)
    import_text(engine, tmp_path / "in")
    for secrets in (False, True):
        folder = tmp_path / f"out-{secrets}"
        written = registry.export_folder(engine, folder, form="csv" if form == "csv" else "yaml", secrets=secrets)
        assert any("4711#" in path.read_text() for path in written) == secrets
        again = registry.import_folder(engine, folder, remove=True)
        assert (again.problems, again.changes, again.kept) == ([], [], {})
    other = registry.create_engine(f"sqlite:///{tmp_path / 'other.db'}", keys=Keys(lambda: NEW))
    registry.upgrade(other)
    assert registry.import_folder(other, tmp_path / "out-True").applied
    assert code_of(other) == "4711#"
    other.dispose()


def test_a_file_without_the_door_code_keeps_it_and_a_dash_takes_it_away(open_with: Open, tmp_path: Path) -> None:
    """Most lists of people come from elsewhere and know no codes."""
    engine = open_with(OLD)
    import_text(engine, tmp_path)
    import_text(engine, tmp_path, WITHOUT_CODES.replace("Wang", "Wang Xiuying"), remove=True)
    assert code_of(engine) == "4711#"
    diff = import_text(engine, tmp_path, DISTRICT.replace("4711#", "0815"))
    assert "~ people p-1: name 'Wang Xiuying' -> 'Wang', door_code changed" in map(str, diff.changes)
    assert code_of(engine) == "0815"
    assert import_text(engine, tmp_path, DISTRICT.replace("4711#", '"-"')).applied
    assert code_of(engine) == ""


def test_no_complaint_and_no_difference_says_a_secret(open_with: Open, tmp_path: Path) -> None:
    """What the command prints ends in terminals and logs."""
    engine = open_with(OLD)
    import_text(engine, tmp_path)
    changed = DISTRICT
    for secret in ("029-8765-4321", "138-0000-1111", "4711#"):
        changed = changed.replace(secret, f"9{secret[1:]}")
    said = " ".join(map(str, import_text(engine, tmp_path, changed).changes))
    assert said == "~ people p-1: phone changed, door_code changed ~ responders li: phone changed"
    for field, value in (("door_code", "12345678" * 9), ("phone", "sealed:12345678"), ("door_code", "sealed:12345678")):
        entry = f"key: p-2, {field}: '{value}'"
        (problem,) = import_text(engine, tmp_path, DISTRICT.replace("key: p-2", entry)).problems
        assert str(problem).startswith(f"district.yaml:4: {field}: ")
        assert "12345678" not in str(problem)


def test_a_sealed_text_that_was_changed_or_moved_is_not_opened(open_with: Open, tmp_path: Path) -> None:
    """Whoever can write the database, and has no key, cannot give one person the code of another."""
    engine = open_with(OLD)
    import_text(engine, tmp_path)
    people = models.person
    with registry.writing(engine) as connection:
        code = connection.execute(select(people.c.door_code).where(people.c.key == "p-1")).scalar_one()
        assert is_sealed(code)
        connection.execute(update(people).where(people.c.key == "p-2").values(door_code=code))
    with pytest.raises(SealedError, match=r"people p-2: door_code .* changed or moved"):
        code_of(engine, "p-2")
    with registry.writing(engine) as connection:
        last = "A" if code[-5] != "A" else "B"
        torn = code[:-5] + last + code[-4:]
        connection.execute(update(people).where(people.c.key == "p-1").values(door_code=torn))
    with pytest.raises(SealedError, match=r"people p-1: door_code .* changed or moved"):
        code_of(engine)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("", "key 1 is missing"),
        ("secret", "key 1 is not the base64 of 32 bytes"),
        (base64.b64encode(b"sixteen bytes...").decode(), "key 1 is not the base64 of 32 bytes"),
        (f"{OLD}, nonsense!", "key 2 is not the base64 of 32 bytes"),
    ],
    ids=["none", "not base64", "too short", "the second"],
)
def test_a_key_that_is_none_is_refused_without_repeating_it(given: str, complaint: str) -> None:
    """The message ends in a log."""
    with pytest.raises(BadKeyError, match=complaint) as caught:
        Keys(lambda: given)
    assert "secret" not in str(caught.value)
    assert "nonsense" not in str(caught.value)


@given(st.text(), st.text(), st.text())
def test_every_text_comes_back_from_its_place_and_from_no_other(secret: str, place: str, other: str) -> None:
    """Twice sealed it looks different, so that equal codes cannot be seen to be equal."""
    keys = Keys(lambda: OLD)
    sealed = keys.seal(secret, place)
    if not secret:
        assert sealed == ""
        return
    assert keys.open(sealed, place) == secret
    assert keys.seal(secret, place) != sealed
    if other != place:
        with pytest.raises(SealedError):
            keys.open(sealed, other)


def test_rows_of_the_release_before_are_read_and_written(open_with: Open) -> None:
    """They have no door code, and lie open until they are changed or sealed anew."""
    engine = open_with(OLD)
    with registry.writing(engine) as connection:
        connection.execute(text("INSERT INTO area (path, name) VALUES ('d', 'D')"))
        connection.execute(
            text(
                "INSERT INTO person (key, name, area, address, language, phone, risks)"
                " VALUES ('p-1', 'N', 'd', '', 'en', '029', '[]')"
            )
        )
    assert registry.directory(engine).people["p-1"].phone == "029"
    assert code_of(engine) == ""
    assert reseal(engine) == 1
    assert registry.directory(engine).people["p-1"].phone == "029"
