"""Small pictures for the guides and the documents, out of ``make screenshots``: its upper part, as WebP.

``make screenshots && python -m tools.guide_pictures`` writes ``console/static/guides/<page>-<language>-<size>.webp``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

FROM = Path(__file__).parents[1] / "out" / "screenshots"
TO = Path(__file__).parents[1] / "console" / "static" / "guides"
#: page and size -> the most of its height that is kept, as a share of its width.
PICTURES: dict[tuple[str, str], float] = {
    ("board", "phone"): 1.75,
    ("incident-taken", "phone"): 2.3,
    ("link", "phone"): 1.75,
    ("on-call", "phone"): 1.75,
    ("board", "desktop"): 0.66,
    ("incident", "desktop"): 0.8,
    ("person", "desktop"): 0.75,
    ("coverage", "desktop"): 0.75,
    ("on-call-month", "desktop"): 0.66,
    ("reports", "desktop"): 0.7,
    ("devices", "desktop"): 0.66,
}
WIDTHS = {"phone": 300, "desktop": 860}
MOST_BYTES = 60_000


def main() -> int:
    """1 when a picture is missing or too large."""
    TO.mkdir(parents=True, exist_ok=True)
    for (page, size), share in PICTURES.items():
        for language in ("en", "zh"):
            source = FROM / f"{page}-{language}-{size}.png"
            if not source.exists():
                print(f"no {source.name}: run `make screenshots` first")
                return 1
            with Image.open(source) as whole:
                part = whole.convert("RGB").crop((0, 0, whole.width, min(whole.height, round(whole.width * share))))
            wide = WIDTHS[size]
            small = part.resize((wide, round(part.height * wide / part.width)), Image.Resampling.LANCZOS)
            target = TO / f"{page}-{language}-{size}.webp"
            small.save(target, "WEBP", quality=72, method=6)
            if target.stat().st_size > MOST_BYTES:
                print(f"{target.name} has {target.stat().st_size} bytes: cut it shorter")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
