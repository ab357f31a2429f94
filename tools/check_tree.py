"""Look through everything committed for what must not be: addresses of registries, paths of one machine, secrets.

``python tools/check_tree.py`` prints one line for each finding, ``file:line: what``, and exits with 1 if there is any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: A file over this size is more likely a recording or a build product than something to be read.
MAX_BYTES = 6 << 20


def _words(*parts: str) -> str:
    """Alternatives for a pattern, each written in two halves so that this file does not match itself."""
    return "|".join(part.replace("~", "") for part in parts)


FORBIDDEN: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "the address of a package registry or mirror",
        re.compile(
            r"(?:https?:|git\+\w+:)//[^\s\"'<>)]*(?:"
            + _words(r"py~pi\b", r"python~hosted", r"npm~js", r"maven\.~org", r"crates\.~io", r"proxy\.~golang")
            + "|"
            + _words(r"deb\.~debian", r"debian\.~org/debian", r"arti~factory", r"artifact~registry", r"\bmir~ror")
            + r")|"
            + _words(r"--(?:extra-)?index~-url\s*[= ]\s*\S+://", r"--find~-links\s*[= ]\s*\S+"),
            re.IGNORECASE,
        ),
    ),
    (
        "a path of one machine",
        re.compile(r"(?<![\w.}$~)-])/(?:" + _words("wo~rk", "ro~ot", "fa~rm", r"home/~[a-z][\w-]*", "Use~rs") + r")/"),
    ),
    (
        "words about who or what wrote it",
        re.compile(
            r"\b(?:"
            + _words(
                "Clau~de", "Anth~ropic", "Open~AI", "Chat~GPT", "Co~pilot", r"GPT~-\d", r"LL~Ms?", r"language ~model"
            )
            + r")\b|"
            + _words(r"co-~authored-by", r"AI[- ]~generated", r"generated ~(?:by|with) (?:an )?AI\b"),
            re.IGNORECASE,
        ),
    ),
    (
        "a secret",
        re.compile(
            _words(r"-----BEGIN [A-Z ]*~PRIVATE KEY", r"\bAKIA~[0-9A-Z]{16}\b", r"\bgh~[pousr]_[A-Za-z0-9]{36}")
            + r"|://(?!\[?user:pass)[^\s/:@{}<>]+:(?!secret@)[^\s/:@{}<>]{3,}@(?!(?:127\.0\.0\.1|localhost|\[?::1|[\w.-]*\bexample\b))"
        ),
    ),
)  # fmt: skip


def committed(root: Path) -> list[Path]:
    """The files that git knows, without those that are gone from the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=root, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    return [root / name for name in listed if name and (root / name).is_file()]


def findings(root: Path) -> Iterator[str]:
    """What must not be committed, one line each."""
    for path in committed(root):
        name = path.relative_to(root).as_posix()
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            yield f"{name}: {len(data) >> 20} MiB, more than {MAX_BYTES >> 20}"
        if b"\0" in data[:8_192]:
            continue
        for number, line in enumerate(data.decode("utf-8", errors="replace").splitlines(), 1):
            for what, pattern in FORBIDDEN:
                if found := pattern.search(line):
                    yield f"{name}:{number}: {what}: {found[0][:80]}"


def main() -> int:
    """Print the findings; 1 when there are any."""
    found = list(findings(ROOT))
    print("\n".join(found) or "nothing committed that must not be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
