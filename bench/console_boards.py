"""How soon 500 open boards show a change.

``python -m bench.console_boards``. The path that this protects: after a change every open board hears of it by its
stream, with its cards, all at the same moment. The boards are those of a few streets and of the district, in two
languages; they read over real connections, from a process of their own. Goal: the last of them within 1 s.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from sqlalchemy import Engine

import alerts.database
import registry
from alerts import actions
from bench.console_pages import _AREA, _district, _open, _serving
from console.access import sessions, users
from console.access.rules import Role
from console.access.sessions import Lifetimes
from console.settings import ConsoleSettings

_PATIENCE_S = 30.0
_STREETS = 8


def run(*, boards: int = 500, incidents: int = 200, changes: int = 8, people: int = 3000) -> dict[str, Any]:
    """Open the boards, change an incident every three seconds, and say when each board had it.

    Returns:
        Over the changes: when half, 95 % and all boards had the new cards (worst change, and the median of the
        changes), ms; and the processor seconds of the server for each.
    """
    now_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory(prefix="carecircle-bench-") as name:
        folder = Path(name)
        engine = registry.create_engine(f"sqlite:///{folder}/carecircle.db")
        _district(engine, folder / "district", people)
        _open(engine, incidents, now_ms)
        secrets = _log_in(engine, boards, now_ms)
        (folder / "secrets").write_text("\n".join(secrets))
        settings = ConsoleSettings(link_key="a key for the bench only", time_zone="Asia/Shanghai", heartbeat_s=10.0)
        ids = _waiting(engine)
        with _serving(engine, settings) as url:
            command = [sys.executable, "-m", "bench.console_boards", "--reader", url, str(folder / "secrets")]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
                assert reader.stdin is not None
                assert reader.stdout is not None
                reader.stdout.readline()  # all are open
                rounds = []
                for number in range(changes):
                    spent_s, began_ms = _spent_s(), time.time_ns() / 1e6
                    actions.acknowledge(engine, ids[number], "r-1", time.time_ns() // 1_000_000)
                    reader.stdin.write("next\n")
                    reader.stdin.flush()
                    heard = np.array(json.loads(reader.stdout.readline())) - began_ms
                    rounds.append((*np.percentile(heard, [50, 95, 100]), _spent_s() - spent_s))
                    time.sleep(1)
                reader.stdin.write("end\n")
        engine.dispose()
    p50, p95, last, cpu_s = np.array(rounds).T
    return {
        "boards": boards, "p50_ms": round(float(np.median(p50))), "p95_ms": round(float(np.median(p95))),
        "last_ms": round(float(np.median(last))), "worst_last_ms": round(float(last.max())),
        "cpu_s": round(float(np.median(cpu_s)), 2),
    }  # fmt: skip


def _spent_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _waiting(engine: Engine) -> list[str]:
    from alerts.queries import open_incidents

    return [view.id for view in open_incidents(engine)]


def _log_in(engine: Engine, boards: int, now_ms: int) -> list[str]:
    """A session for each board: of the district's desk and of eight streets."""
    secrets = []
    with registry.writing(engine) as connection:
        for number in range(_STREETS + 1):
            area = _AREA.format(number % 5, number) if number < _STREETS else "city"
            users.add_user(
                connection, f"u{number}", roles=(Role.COORDINATOR,), areas=(area,), now_ms=now_ms, by="bench"
            )
        for number in range(boards):
            user = users.find_user(connection, f"u{number % (_STREETS + 1)}")
            secrets.append(
                sessions.start(
                    connection, user, stage="full", remember=False, now_ms=now_ms, address="127.0.0.1", agent="bench",
                    lifetimes=Lifetimes(),
                )
            )  # fmt: skip
        alerts.database.raise_change(connection)
    return secrets


async def read_all(url: str, secrets: Sequence[str]) -> None:
    """What the browsers do: listen, with the cards in the event."""
    host, _, port = urlsplit(url).netloc.partition(":")
    got: asyncio.Queue[float] = asyncio.Queue()
    opened: asyncio.Queue[int] = asyncio.Queue()
    tasks = [
        asyncio.create_task(_board(host, int(port), secret, "zh" if n % 2 else "en", opened, got))
        for n, secret in enumerate(secrets)
    ]
    for _ in secrets:
        await asyncio.wait_for(opened.get(), _PATIENCE_S)
    sys.stdout.write("open\n")
    sys.stdout.flush()
    loop = asyncio.get_running_loop()
    while (await loop.run_in_executor(None, sys.stdin.readline)).strip() == "next":
        times = [await asyncio.wait_for(got.get(), _PATIENCE_S) for _ in secrets]
        sys.stdout.write(json.dumps(times) + "\n")
        sys.stdout.flush()
    for task in tasks:
        task.cancel()


async def _board(
    host: str, port: int, secret: str, language: str, opened: asyncio.Queue[int], got: asyncio.Queue[float]
) -> None:
    head = f"Host: {host}:{port}\r\nCookie: session={secret}\r\nAccept-Language: {language}\r\n"
    stream, out = await asyncio.open_connection(host, port, limit=2**22)
    out.write(f"GET /events?board=1 HTTP/1.1\r\n{head}\r\n".encode())
    first = True
    while line := await stream.readline():
        if not line.startswith(b"event: board"):
            continue
        data = await stream.readline()
        at_ms = time.time_ns() / 1e6
        if first:
            assert b"data-revision" in gzip.decompress(base64.b64decode(data[6:]))
            first = False
            opened.put_nowait(1)
        else:
            got.put_nowait(at_ms)


def main() -> None:
    """Print the figures, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boards", type=int, default=500)
    parser.add_argument("--incidents", type=int, default=200)
    parser.add_argument("--reader", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    if chosen.reader:
        asyncio.run(read_all(chosen.reader[0], Path(chosen.reader[1]).read_text().split()))
        return
    result = run(boards=chosen.boards, incidents=chosen.incidents)
    sys.stdout.write(json.dumps(result) + "\n")
    if chosen.json:
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        chosen.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
