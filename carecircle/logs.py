"""Log lines for people: time, level, where from, what."""

from __future__ import annotations

import logging
import sys


def set_up(level: str, *, name: str = "") -> None:
    """Log to standard error; ``name`` (a role) stands in each line."""
    prefix = f"{name:<9} " if name else ""
    logging.basicConfig(
        level=getattr(logging, level.upper()),
        format=f"%(asctime)s %(levelname)-7s {prefix}%(message)s",
        stream=sys.stderr,
        force=True,
    )
    for chatty in ("httpx", "httpcore", "alembic", "urllib3", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
