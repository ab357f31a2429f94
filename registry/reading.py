"""Read an import folder: YAML and CSV files to rows of text, each with the file and the line it stands on.

Every scalar is taken as the text that was written (a phone number keeps its leading zero, ``no`` stays ``no``); what
it means is decided by the entry types.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from registry.entries import TYPES
from registry.errors import NoFolderError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: In a CSV cell, between the items of a list.
LIST_SEPARATOR = ";"
LISTS = frozenset(
    {"risks", "languages", "roles", "channels", "conditions", "turns", "hours", "responders", "swap", "kinds"}
)
#: Tables whose rows have no room in a CSV line.
YAML_ONLY = frozenset({"policies"})
#: Fields that name several values: in a CSV cell ``name=value`` with the same separator.
MAPPINGS = frozenset({"limits"})
#: A file that holds several tables, each under its name.
WHOLE = "district"
#: Rows of ``contacts`` may stand under this field of their person.
CONTACTS = "contacts"
#: A roster's ``calendar`` names a file of this kind in the same folder.
_CALENDAR_NAME = re.compile(r"[\w.:-]+\.ics")
_MAX_DEPTH = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in an import file, and where. ``line`` counts from 1; 0 concerns the whole file."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as written. ``lines`` has the line of each field where it differs from the row's."""

    file: str
    line: int
    values: dict[str, Any]
    lines: dict[str, int] = field(default_factory=dict)

    def problem(self, message: str, field_name: str | None = None) -> Problem:
        """A problem with this row, or with one field of it."""
        return Problem(self.file, self.lines.get(field_name or "", self.line), message)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a folder holds: the rows of each table that it has a file or section for."""

    tables: dict[str, list[Row]]
    problems: list[Problem]


def read_folder(folder: Path) -> Rows:
    """Read ``areas``, ``people``, ``rosters`` ... (a .yaml, .yml or .csv for each table) and ``district.yaml``.

    The iCalendar files that rosters name are read too: the text takes the place of the name.

    Raises:
        NoFolderError: no such folder, or none of these files in it.
    """
    if not folder.is_dir():
        raise NoFolderError(str(folder), "is not a folder: name the one that has areas.yaml, people.csv and so on")
    tables: dict[str, list[Row]] = {}
    problems: list[Problem] = []
    origin: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".yaml", ".yml", ".csv") or path.stem not in (*TYPES, WHOLE):
            continue
        for name, rows in _read_file(path, problems):
            if name in origin:
                problems.append(Problem(path.name, 0, f"{name} stands in {origin[name]} already: keep one of the two"))
                continue
            origin[name] = path.name
            tables[name] = rows
    for row in tables.get("rosters", []):
        _read_calendar(folder, row, problems)
    if not origin and not problems:
        names = ", ".join((*TYPES, WHOLE))
        raise NoFolderError(str(folder), f"has none of {names} as .yaml or .csv")
    return Rows(tables, problems)


def _read_file(path: Path, problems: list[Problem]) -> Iterator[tuple[str, list[Row]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        problems.append(Problem(path.name, line, "is not UTF-8: save the file as UTF-8"))
        return
    if path.suffix == ".csv" and path.stem in YAML_ONLY:
        problems.append(Problem(path.name, 0, f"{path.stem} are read from {path.stem}.yaml only"))
        return
    if path.suffix == ".csv":
        yield path.stem, list(_read_csv(path, text, problems))
        return
    try:
        document = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        problems.append(Problem(path.name, line, f"is not YAML: {getattr(error, 'problem', None) or error}"))
        return
    except RecursionError:
        problems.append(Problem(path.name, 0, "is nested too deeply"))
        return
    nested: list[Row] = []
    if path.stem != WHOLE:
        yield path.stem, list(_table(path.stem, document, path.name, problems, nested))
        yield from _nested(nested)
        return
    if not isinstance(document, yaml.MappingNode):
        problems.append(Problem(path.name, 1, f"must be a mapping with {', '.join(TYPES)}"))
        return
    for key, node in document.value:
        name = _name(key)
        if name in TYPES:
            yield name, list(_table(name, node, path.name, problems, nested))
        else:
            problems.append(_at(path.name, key, f"{name!r} is none of {', '.join(TYPES)}"))
    yield from _nested(nested)


def _nested(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    """The contacts that stand under their people."""
    if rows:
        yield CONTACTS, rows


def _read_calendar(folder: Path, row: Row, problems: list[Problem]) -> None:
    name = row.values.get("calendar")
    if name is None:
        return
    row.values["calendar"] = ""
    if not isinstance(name, str) or not _CALENDAR_NAME.fullmatch(name):
        problems.append(row.problem(f"calendar: {name!r} is no file name such as station.ics", "calendar"))
        return
    try:
        row.values["calendar"] = (folder / name).read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.append(row.problem(f"calendar: {name} cannot be read ({error.strerror}): put it beside", "calendar"))
    except UnicodeDecodeError:
        problems.append(row.problem(f"calendar: {name} is not UTF-8: save the file as UTF-8", "calendar"))


def _read_csv(path: Path, text: str, problems: list[Problem]) -> Iterator[Row]:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            problems.append(Problem(path.name, 1, f"column {twice[0]!r} stands twice"))
            return
        line = reader.line_num + 1
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                problems.append(Problem(path.name, start, f"has {len(cells)} cells, the header has {len(header)}"))
                continue
            yield Row(
                path.name,
                start,
                {name: _cell(name, cell.strip()) for name, cell in zip(header, cells, strict=True) if cell.strip()},
            )
    except csv.Error as error:
        problems.append(Problem(path.name, reader.line_num, f"is not CSV: {error}"))


def _cell(name: str, cell: str) -> Any:
    if name in MAPPINGS:
        pairs = [item.partition("=") for item in cell.split(LIST_SEPARATOR) if item.strip()]
        return {key.strip(): value.strip() for key, _, value in pairs}
    if name not in LISTS:
        return cell
    items = [item.strip() for item in cell.split(LIST_SEPARATOR) if item.strip()]
    return [channel_from_text(item) for item in items] if name == "channels" else items


def channel_from_text(text: str) -> dict[str, str]:
    """A channel of a CSV cell: its type, then its URL and for a webhook its secret, with spaces between; at the end
    perhaps ``per_minute=20``."""
    head, found, limit = text.rpartition(" per_minute=")
    words = (head if found else text).split(maxsplit=3)
    return dict(zip(("type", "url", "secret", "superfluous"), words, strict=False)) | (
        {"per_minute": limit} if found else {}
    )


def _table(
    name: str, node: Any, file: str, problems: list[Problem], nested: list[Row], within: dict[str, str] | None = None
) -> Iterator[Row]:
    """The rows of a table; contacts of people go to ``nested``. ``within`` is what they all have in common."""
    if node is None or _is_null(node):
        return
    if name == "on_call" and isinstance(node, yaml.MappingNode):
        yield from _orders(node, file, problems)
        return
    if not isinstance(node, yaml.SequenceNode):
        what = "a mapping of area to a list of responders" if name == "on_call" else "a list"
        problems.append(_at(file, node, f"{name} must be {what}"))
        return
    for item in node.value:
        if not isinstance(item, yaml.MappingNode):
            problems.append(_at(file, item, f"an entry of {name} must be a mapping of field to value"))
            continue
        values: dict[str, Any] = dict(within or {})
        lines: dict[str, int] = {}
        for key, value in item.value:
            field_name = _name(key)
            if field_name in lines:
                problems.append(_at(file, key, f"field {field_name!r} stands twice"))
            if name == "people" and field_name == CONTACTS:
                of = {"person": next((_plain(v) for k, v in item.value if _name(k) == "key"), "?")}
                nested += _table(CONTACTS, value, file, problems, nested, of)
            elif not _is_null(value):
                values[field_name] = _plain(value)
            lines[field_name] = key.start_mark.line + 1
        yield Row(file, item.start_mark.line + 1, values, lines)


def _orders(node: Any, file: str, problems: list[Problem]) -> Iterator[Row]:
    seen: set[str] = set()
    for key, value in node.value:
        area = _name(key)
        if area in seen:
            problems.append(_at(file, key, f"area {area!r} has an order already"))
        seen.add(area)
        if not isinstance(value, yaml.SequenceNode):
            problems.append(_at(file, value, f"the order of {area!r} must be a list of responder ids"))
            continue
        for position, item in enumerate(value.value, start=1):
            yield Row(
                file,
                item.start_mark.line + 1,
                {"area": area, "position": str(position), "responder": _plain(item)},
                {"area": key.start_mark.line + 1},
            )


def _plain(node: Any, depth: int = 0) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if depth == _MAX_DEPTH:  # deeper than any entry: an alias of itself, or a mistake that the types will name
        return "..."
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, depth + 1) for item in node.value]
    return {_name(key): _plain(value, depth + 1) for key, value in node.value if not _is_null(value)}


def _name(node: Any) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else "?"


def _is_null(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _at(file: str, node: Any, message: str) -> Problem:
    return Problem(file, node.start_mark.line + 1, message)
