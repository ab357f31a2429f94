"""Fetch the libraries that the pages load, in the versions below, into ``console/static/vendor``; needs npm.

``python tools/vendor.py`` after a version or an icon below was changed. It writes the files, the sprite of icons and
README.md with versions, licences and checksums, which a test compares with the files. Nothing else runs npm.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / "console" / "static" / "vendor"


class Library(NamedTuple):
    """A package of npm: its files here by their path in it."""

    name: str
    version: str
    licence: str
    files: dict[str, str]


LIBRARIES = (
    Library("htmx.org", "2.0.11", "0BSD", {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE"}),
    Library(
        "uplot", "1.6.32", "MIT",
        {"dist/uPlot.iife.min.js": "uplot.min.js", "dist/uPlot.min.css": "uplot.min.css", "LICENSE": "uplot.LICENSE"},
    ),
)  # fmt: skip

LUCIDE = Library("lucide-static", "1.62.0", "ISC", {"LICENSE": "icons.LICENSE"})
#: What the pages may show with the macro ``icon``, by Lucide's names.
ICONS = (
    "a-large-small", "activity", "alarm-clock", "arrow-left", "arrow-left-right", "arrow-right", "ban",
    "battery-low", "bed", "bell", "bell-off", "bell-ring", "book-open", "building", "calendar-days",
    "calendar-plus", "chart-column", "check", "chevron-down", "chevron-left", "chevron-right", "circle",
    "circle-alert", "circle-check", "circle-help", "circle-user", "circle-x", "clock", "contrast", "copy",
    "door-open", "download", "ellipsis", "external-link", "eye", "file-text", "filter", "footprints", "heart-pulse",
    "history", "house", "info", "key-round", "languages", "link", "list", "lock", "log-in", "log-out", "map",
    "map-pin", "menu", "message-square", "monitor", "moon", "octagon-alert", "pencil", "phone", "phone-call",
    "phone-outgoing", "pill", "plus", "printer", "radio", "refresh-cw", "rotate-ccw", "save", "search", "send",
    "settings", "shield", "shield-check", "siren", "sliders-horizontal", "smile", "sun", "thermometer", "trash-2",
    "triangle-alert", "upload", "user", "user-check", "user-plus", "users", "volume-2", "volume-x", "watch", "wifi",
    "wifi-off", "wrench", "x",
)  # fmt: skip


def unpacked(library: Library, work: Path) -> Path:
    """The package's folder below ``work``."""
    what = f"{library.name}@{library.version}"
    packed = subprocess.run(
        ["npm", "pack", "--silent", what], cwd=work, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    with tarfile.open(work / packed) as archive:
        archive.extractall(work / library.name, filter="data")
    return work / library.name / "package"


def sprite(icons: Path) -> str:
    """One drawing that holds each icon as a symbol."""
    symbols = []
    for name in ICONS:
        source = (icons / f"{name}.svg").read_text(encoding="utf-8")
        inner = re.search(r"<svg[^>]*>(.*)</svg>", source, flags=re.S)
        assert inner, name
        shapes = re.sub(r"\s+", " ", inner[1]).replace("> <", "><").strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shapes}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def readme(rows: list[tuple[Library, str]]) -> str:
    """What lies here, from where, under which licence."""
    lines = [
        "# Libraries of others",
        "",
        "Files of npm packages as they were published; `icons.svg` holds the icons of the pages, one symbol each.",
        "`tools/vendor.py` writes this folder: change a version there, run it, run the tests.",
        "",
        "| file | package | version | licence | sha256 |",
        "|---|---|---|---|---|",
    ]
    for library, name in rows:
        digest = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
        lines.append(f"| {name} | {library.name} | {library.version} | {library.licence} | {digest} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write everything anew."""
    FOLDER.mkdir(exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for library in (*LIBRARIES, LUCIDE):
            package = unpacked(library, Path(folder))
            for source, name in library.files.items():
                (FOLDER / name).write_bytes((package / source).read_bytes())
                rows.append((library, name))
            if library is LUCIDE:
                (FOLDER / "icons.svg").write_text(sprite(package / "icons"), encoding="utf-8")
                rows.append((library, "icons.svg"))
    (FOLDER / "README.md").write_text(readme(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
