"""The score as a table, for the command line and for the end of the demo."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from firmware_sim.scoring import Found, KindScore, Latency, Score
from firmware_sim.scoring_quarantine import QuarantineScore
from firmware_sim.truth import Truth

_COUNTS = ("happened", "found", "missed", "false", "late", "delayed", "twice")
_SHOWN = 8


def show(console: Console, score: Score, truth: Truth) -> None:
    """Print the tables, and name what was missed, false, wrong."""
    table = _table("What happened, and what was found", *_COUNTS)
    for one in score.kinds:
        if one.happened or one.false or one.explained or one.noted:
            table.add_row(*_row(one))
    console.print(table)
    spans = [(one.kind, name, span) for one in score.kinds for name, span in _spans(one) if span.p50 is not None]
    if spans:
        table = _table("How long it took", "until", "p50", "p95", "max")
        for kind, name, span in spans:
            table.add_row(kind, name, *(f"{value:.1f} s" for value in (span.p50, span.p95, span.max)))
        console.print(table)
    for text in _remarks(score.kinds):
        console.print(text, style="dim", highlight=False)
    missed = [
        *(f"fall of {fall.device} at {_at(fall.impact_ms, truth)}: {fall.motion}" for fall in score.falls_missed),
        *(f"call of {press.device} at {_at(press.pressed_ms, truth)}" for press in score.sos_missed),
        *(
            f"{one.kind} of {one.device or one.person or 'an area'} from {_at(one.begin_ms, truth)} {one.detail}"
            for one in score.others_missed
        ),
    ]
    _list(console, "[red]missed[/red]", missed)
    _list(console, "[yellow]false[/yellow]", (_words(one, truth) for one in score.false_alarms + score.false_others))
    _list(console, "[yellow]twice[/yellow]", (_words(one, truth) for one in score.duplicates))
    if score.quarantine is not None and (score.quarantine.due or score.quarantine.unexplained):
        _show_quarantine(console, score.quarantine, truth)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("kind", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="left" if column == "until" else "right", no_wrap=True)
    return table


def _row(one: KindScore) -> list[str]:
    missed = f"[red]{one.missed}[/red]" if one.missed else "0"
    false = f"[yellow]{one.false}[/yellow]" if one.false else "0"
    counts = (one.happened, one.found, missed, false, one.late, one.delayed, one.duplicate)
    return [one.kind, *(str(count) for count in counts)]


def _spans(one: KindScore) -> tuple[tuple[str, Latency], ...]:
    return (("detected", one.to_detected_s), ("notified", one.to_notified_s))


def _remarks(kinds: Sequence[KindScore]) -> Iterable[str]:
    limits = ", ".join(f"{one.limit_s:g} s for {one.kind}" for one in kinds if one.limit_s and one.happened)
    if limits:
        yield f"late: found after {limits}"
    if any(one.delayed for one in kinds):
        yield "delayed: the message itself came later than that, from a buffer or after a lost link"
    for one in kinds:
        if one.explained or one.noted:
            yield f"{one.kind}: {one.explained} more are explained by what happened, {one.noted} noted without a call"


def _show_quarantine(console: Console, score: QuarantineScore, truth: Truth) -> None:
    console.print(
        f"quarantine: {score.right} of {score.due} spoiled messages with the right reason, {len(score.wrong)} with "
        f"another, {len(score.missing)} missing; {len(score.unexplained)} entries unexplained",
        highlight=False,
    )
    _list(
        console,
        "[red]missing[/red]",
        (f"{one.device} {one.stream} at {_at(one.at_ms, truth)}: {one.fault}, {one.reason}" for one in score.missing),
    )
    _list(
        console,
        "[red]wrong reason[/red]",
        (f"{one.device} {one.stream}: {one.fault} is {one.reason}, not {reason}" for one, reason in score.wrong),
    )
    _list(
        console,
        "[yellow]unexplained[/yellow]",
        (f"{one.device or 'no device'}: {one.reason}, {one.detail}" for one in score.unexplained),
    )


def _list(console: Console, head: str, lines: Iterable[str]) -> None:
    texts = list(lines)
    for text in texts[:_SHOWN]:
        console.print(f"{head}  {escape(text)}", highlight=False, soft_wrap=True)
    if len(texts) > _SHOWN:
        console.print(f"{head}  and {len(texts) - _SHOWN} more")


def _words(found: Found, truth: Truth) -> str:
    incident = f", incident {found.incident}" if found.incident else ""
    return f"{found.kind} of {found.device or found.person} at {_at(found.onset_ms, truth)}{incident}"


def _at(instant_ms: int, truth: Truth) -> str:
    return f"{(instant_ms - truth.start_ms) / 1000:.1f} s"
