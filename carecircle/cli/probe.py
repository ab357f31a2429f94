"""``carecircle probe``: one synthetic SOS through the whole system, now."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from carecircle.cli.common import SettingsOption, err, fail, load_settings
from carecircle.settings import SettingsError

if TYPE_CHECKING:
    from carecircle.probe.watch import Round


def probe(
    settings_file: SettingsOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="As the role does: heartbeat, and the operator is paged when it is due.")
    ] = False,
    test_page: Annotated[
        bool, typer.Option("--test-page", help="Only send the operator a page that says that it is a test.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the round as JSON.")] = False,
) -> None:
    """Send an SOS of the test device through the whole system and measure how long the message takes.

    It is marked as a test and calls nobody. Exits with 1 when it does not come through. `carecircle run --role probe`
    does so every ten minutes, with a heartbeat to the outside, and pages the operator.
    """
    from carecircle.probe.errors import ProbeError
    from carecircle.probe.outside import send_page
    from carecircle.probe.sos import send_sos
    from carecircle.probe.verdict import Page, PageKind, fault
    from carecircle.probe.watch import Round, now_ms, open_channel, watch_once

    settings = load_settings(settings_file)
    if test_page:
        subject = f"CareCircle {socket.gethostname()}: test of this page"
        failed = send_page(settings, Page(PageKind.FAILED, subject, "This is a test. Nothing is wrong."))
        if failed:
            fail("; ".join(failed), code=1)
        Console().print("The page is out.")
        return
    try:
        with open_channel(settings) as channel:
            if full:
                done = watch_once(settings, channel)
                assert done is not None  # nothing stops it
            else:
                seen = send_sos(settings, channel)
                wrong = fault(seen, settings.probe.within_s)
                done = Round(now_ms(), seen, (wrong,) if wrong else ())
    except (SettingsError, ProbeError) as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(asdict(done)))
    else:
        _show(done)
    if done.faults:
        raise typer.Exit(1)


def _show(done: Round) -> None:
    steps = {
        "the broker had it after": done.seen.taken_s,
        "the device was told after": done.seen.acknowledged_s,
        "the test channel had the message after": done.seen.received_s,
    }
    for words, seconds in steps.items():
        Console().print(f"{words:40} {'-' if seconds is None else f'{seconds:.2f} s'}", highlight=False)
    for wrong in done.faults:
        err.print(wrong, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if done.paged:
        Console().print(f"the operator was paged: {done.paged}")
    for why in done.not_paged:
        err.print(why, style="red", markup=False, highlight=False, soft_wrap=True)
