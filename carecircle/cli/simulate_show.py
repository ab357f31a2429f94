"""What ``carecircle simulate`` shows: how a run stands, and what it came to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from firmware_sim.fleet import Fleet
    from firmware_sim.progress import Progress
    from firmware_sim.scenario import Scenario
    from firmware_sim.truth import Truth

#: Where nobody looks at a terminal a line is written this often.
_LINE_EVERY_S = 10.0


class Standing:
    """A table that changes in place, or a line now and then where the output is a file.

    Args:
        console: where to.
        lasts_s: how long the run will be, None: until it is stopped.
    """

    def __init__(self, console: Console, lasts_s: float | None) -> None:
        self._console = console
        self._lasts_s = lasts_s
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._next_line_s = time.monotonic() + _LINE_EVERY_S

    def __enter__(self) -> Standing:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """Show how the run stands."""
        if self._live is not None:
            self._live.update(self._table(progress))
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s += _LINE_EVERY_S
            trouble = f"; {progress.problem}" if progress.problem else ""
            self._console.print(
                f"{self._time(progress)}: {progress.connected} of {progress.connections} connected, "
                f"{progress.published} published, {progress.rate:.0f} a second, {progress.backlog} waiting{trouble}",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _time(self, progress: Progress) -> str:
        so_far_s = max(0.0, progress.elapsed_s)
        if self._lasts_s is None:
            return f"{so_far_s:,.0f} s"
        if so_far_s > self._lasts_s + 1:
            return f"{self._lasts_s:,.0f} s are over, what waits is sent"
        return f"{so_far_s:,.0f} of {self._lasts_s:,.0f} s"

    def _table(self, progress: Progress) -> Table:
        table = Table(title=self._time(progress), title_justify="left", expand=False)
        for column in ("connected", "published", "per second", "waiting", "falls", "calls (open)"):
            table.add_column(column, justify="right")
        table.add_row(
            f"{progress.connected}/{progress.connections}",
            f"{progress.published}",
            f"{progress.rate:.0f}",
            f"{progress.backlog}",
            f"{progress.falls}",
            f"{progress.calls} ({progress.calls_open})",
        )
        if progress.problem:
            table.caption = escape(progress.problem)
        return table


def announce(console: Console, scenario: Scenario, fleet: Fleet, url: str, seconds: float | None, speed: float) -> None:
    """What is going to be played, and how to end it."""
    count = scenario.wearers.count + scenario.buttons
    lasts = "until Ctrl-C" if seconds is None else f"for {seconds:,.0f} s"
    pace = "" if speed == 1 else f" at {speed:g} times the speed, published as history"
    console.print(
        f"{scenario.name}: {count} devices to {url}, motion: {fleet.source.name}, seed {fleet.seed}, {lasts}{pace}. "
        "Ctrl-C ends it cleanly.",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip


def summarise(console: Console, truth: Truth, fleet: Fleet, took_s: float) -> int:
    """Say what happened; returns how many messages the broker never took."""
    waiting = fleet.waiting
    dropped = sum(last - first + 1 for part in truth.published for first, last in part.dropped)
    acked = sum(press.acked_ms is not None for press in truth.sos)
    streams: dict[str, int] = {}
    for part in truth.published:
        streams[part.stream] = streams.get(part.stream, 0) + sum(last - first + 1 for first, last in part.seq)
    console.print(
        f"{truth.scenario}: {truth.devices} devices, motion: {truth.source}, seed {truth.seed}; "
        f"{truth.messages_published} messages published in {took_s:.0f} s "
        f"({', '.join(f'{count} {stream}' for stream, count in sorted(streams.items())) or 'none'}), "
        f"{waiting} not sent, {dropped} dropped by full buffers; "
        f"{len(truth.falls)} falls, {len(truth.sos)} calls for help, {acked} acknowledged",
        highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    if acked < len(truth.sos):
        console.print(
            f"{len(truth.sos) - acked} calls were not acknowledged from end to end: no gateway heard them, or its "
            "acknowledgement may not reach the devices' cmd topics",
            highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
    if fleet.problem:
        console.print(
            f"last trouble: {fleet.problem}{_hint(fleet.problem)}", highlight=False, markup=False, soft_wrap=True
        )
    return waiting + dropped


def _hint(problem: str) -> str:
    """What to do about what a broker or its certificate says."""
    if "CERTIFICATE_VERIFY_FAILED" in problem:
        return ": name the authority that signed the broker's certificate with --ca FILE"
    if "not authorised" in problem or "password" in problem:
        return ": --passwords FILE has the logins that this broker knows"
    if "reset by peer" in problem:
        return ": a broker that speaks TLS wants mqtts://"
    return ""
