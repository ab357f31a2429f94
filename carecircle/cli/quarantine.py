"""`carecircle quarantine`: look at what could not be taken, and put it back after a fix."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from carecircle.cli.common import fail
from telemetry.errors import Reason

if TYPE_CHECKING:
    from journal.entry import Entry

app = typer.Typer(
    name="quarantine",
    help="Messages that could not be taken: which, why, and back in after a fix.",
    no_args_is_help=True,
)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGE = re.compile(r"(\d+)([smhd])")

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", envvar="CARECIRCLE_DATA_DIR", help="The data folder of the running system."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
StageName = Annotated[str | None, typer.Option("--stage", help="Only of this stage: gateway, processor or writer.")]
ReasonName = Annotated[
    str | None, typer.Option("--reason", help=f"Only for this reason: {', '.join(reason.value for reason in Reason)}.")
]
DeviceId = Annotated[str | None, typer.Option("--device", help="Only of this device.")]
Since = Annotated[
    str | None, typer.Option("--since", help="Only received since: an age (30m, 2h, 7d) or an ISO time (UTC if bare).")
]
_DEFAULT_DIR = Path("var/carecircle")


@app.command("list")
def list_(
    data_dir: DataDir = _DEFAULT_DIR,
    stage: StageName = None,
    reason: ReasonName = None,
    device: DeviceId = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what is kept, the newest first, and how many messages came in by reason."""
    from journal import JournalError
    from journal.quarantine import Filter, list_entries, read_tally, stages

    folder = _folder(data_dir)
    try:
        entries = list_entries(folder, Filter(stage, reason, device, _since_ms(since)), limit=limit)
    except JournalError as error:
        fail(str(error), code=1)
    tallies = {name: read_tally(folder, name) for name in stages(folder)}
    if as_json:
        counts = {name: {"kept": tally.kept, "counted_only": tally.counted} for name, tally in tallies.items()}
        _print_json({"entries": [_as_dict(entry) for entry in entries], "counts": counts})
        return
    console = Console()
    if not entries:
        console.print(f"Nothing in the quarantine of {escape(str(data_dir))} fits.")
    else:
        console.print(_entries_table(entries))
    totals = Table("stage", "reason", "kept", "counted only", title="Messages by reason, since the beginning")
    for name, tally in tallies.items():
        for why in tally.total():
            totals.add_row(name, why, f"{tally.kept.get(why, 0):,}", f"{tally.counted.get(why, 0):,}")
    if totals.row_count:
        console.print(totals)
        console.print("Counted only: over the device's quota, or while the disk was full.", style="dim")


@app.command()
def show(
    entry_id: Annotated[str, typer.Argument(help="The id that `list` shows, like processor-4096-0.")],
    data_dir: DataDir = _DEFAULT_DIR,
    bytes_shown: Annotated[int, typer.Option("--bytes", min=0, help="How much of the payload to dump.")] = 256,
    as_json: AsJson = False,
) -> None:
    """Show one message: why it is here, what we make of it now, and its bytes."""
    from journal import JournalError
    from journal.explain import explain, hexdump
    from journal.quarantine import get_entry

    try:
        entry = get_entry(_folder(data_dir), entry_id)
    except JournalError as error:
        fail(str(error), code=1)
    now = explain(entry)
    if as_json:
        said = {"accepted": now.accepted, "verdict": now.verdict, "content": now.content}
        _print_json(_as_dict(entry) | {"now": said, "payload_hex": entry.payload.hex()})
        return
    console = Console()
    facts = Table.grid(padding=(0, 2))
    flags = ", ".join(str(flag.name).lower() for flag in entry.flags) or "none"
    for name, value in (
        ("id", entry.id),
        ("why", f"{entry.reason}: {entry.detail}"),
        ("received", _when(entry.recv_ms)),
        ("device", entry.device or "not known"),
        ("topic", entry.topic_text),
        ("flags", flags),
        ("size", f"{entry.size:,} bytes" + (f", {len(entry.payload):,} kept" if entry.is_cut else "")),
        ("sha256", entry.sha256),
        ("now", now.verdict),
        ("replay", _replay_state(entry)),
    ):
        facts.add_row(f"[bold]{name}", _safe(value))
    console.print(facts)
    for field, content in (now.content or {}).items():
        console.print(_safe(f"  {field} = {content!r}"), highlight=False)
    for line in hexdump(entry.payload, bytes_shown):
        console.print(line, markup=False, highlight=False)
    if len(entry.payload) > bytes_shown:
        console.print(f"... {len(entry.payload) - bytes_shown:,} more bytes: --bytes {len(entry.payload)}", style="dim")


@app.command("replay")
def replay_(
    entry_ids: Annotated[
        list[str] | None, typer.Argument(help="Ids that `list` shows; or choose by the options.")
    ] = None,
    data_dir: DataDir = _DEFAULT_DIR,
    stage: StageName = None,
    reason: ReasonName = None,
    device: DeviceId = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything that is kept.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also what was replayed before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put messages back, marked as a replay; the running processor takes them up.

    They are handled as history: stored and detected, alerted as what happened then. A message that still cannot be
    taken comes back here as a new entry.
    """
    from journal import JournalError
    from journal.quarantine import Filter
    from journal.replay import replay

    chosen = Filter(stage, reason, device, _since_ms(since))
    by_filter = chosen != Filter() or everything
    if bool(entry_ids) == by_filter:
        fail("Say which: either ids, or --stage, --reason, --device, --since, or --all.")
    try:
        result = replay(
            _folder(data_dir),
            data_dir / "journal" / "replayed",
            entry_ids or chosen,
            now_ms=time.time_ns() // 1_000_000,
            again=again,
        )
    except JournalError as error:
        fail(str(error), code=1)
    if as_json:
        _print_json({"replayed": result.done, "refused": result.refused})
    else:
        console = Console(highlight=False)
        console.print(f"{len(result.done)} put back, {len(result.refused)} not.")
        for entry_id, why in result.refused.items():
            console.print(f"  {entry_id}: {why}", markup=False)
    if result.refused and not result.done:
        raise typer.Exit(1)


def _folder(data_dir: Path) -> Path:
    folder = data_dir / "quarantine"
    if not data_dir.is_dir():
        fail(f"There is no data folder {data_dir}: name it with --data-dir or CARECIRCLE_DATA_DIR.")
    return folder


def _since_ms(text: str | None) -> int | None:
    if text is None:
        return None
    age = _AGE.fullmatch(text)
    if age:
        when = datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    else:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is neither an age like 2h nor an ISO time", param_hint="--since"
            ) from None
        when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return int(when.timestamp() * 1000)


def _entries_table(entries: list[Entry]) -> Table:
    columns = ("received (UTC)", "reason", "device", "topic", "bytes", "replay", "detail")
    table = Table(Column("id", no_wrap=True), *columns)
    for entry in entries:
        replayed = "no, " + ("cut" if entry.is_cut else "points") if entry.obstacle else _replay_state(entry)
        row = (entry.reason, entry.device or "", entry.topic_text, f"{entry.size:,}", replayed, entry.detail)
        table.add_row(entry.id, _when(entry.recv_ms), *map(_safe, row))
    return table


def _replay_state(entry: Entry) -> str:
    if entry.obstacle is not None:
        return f"not possible: {entry.obstacle}"
    return "not yet" if entry.replayed_ms is None else f"done {_when(entry.replayed_ms)}"


def _safe(text: str) -> str:
    """``text`` for a terminal: a device's words must neither move the cursor nor be taken for mark-up."""
    return escape("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def _when(instant_ms: int) -> str:
    try:
        return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{instant_ms} ms"


def _as_dict(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "stage": entry.stage,
        "reason": entry.reason,
        "detail": entry.detail,
        "device": entry.device,
        "recv_ms": entry.recv_ms,
        "flags": int(entry.flags),
        "topic": entry.topic_text,
        "size": entry.size,
        "kept": len(entry.payload),
        "sha256": entry.sha256,
        "replayed_ms": entry.replayed_ms,
        "replay_obstacle": entry.obstacle,
    }


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))
