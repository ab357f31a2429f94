"""`carecircle registry presence`: where a responder is, and whether they can come."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from carecircle.cli.common import SettingsOption, fail, load_settings


def presence(
    responder: Annotated[str, typer.Argument(help="The responder's id.")],
    settings: SettingsOption = None,
    lat: Annotated[float | None, typer.Option("--lat", help="Where they are: degrees north.")] = None,
    lon: Annotated[float | None, typer.Option("--lon", help="Where they are: degrees east.")] = None,
    off: Annotated[bool, typer.Option("--off", help="They cannot come, until they report otherwise.")] = False,
    on: Annotated[bool, typer.Option("--on", help="They can come again; without a place from their base.")] = False,
) -> None:
    """Report where a responder is, or that they cannot come; without any of these print the last report.

    A place counts for half an hour, then the base of the registry does. Who cannot come is called last.
    """
    from carecircle.cli.registry import open_registry
    from registry.presence import PresenceError, presences, tell_presence

    if off and (on or lat is not None or lon is not None):
        fail("--off says that they cannot come: give it alone")
    engine = open_registry(settings)
    zone = ZoneInfo(load_settings(settings).console.time_zone)
    if off or on or lat is not None or lon is not None:
        now_ms = time.time_ns() // 1_000_000
        try:
            last = tell_presence(engine, responder, now_ms, lat=lat, lon=lon, available=not off)
        except PresenceError as error:
            fail(str(error))
    else:
        with engine.connect() as connection:
            found = presences(connection, [responder])
        if responder not in found:
            typer.echo(f"{responder} has reported nothing")
            raise typer.Exit(1)
        last = found[responder]
    where = "from their base" if last.lat is None else f"at {last.lat:.5f}, {last.lon:.5f}"
    at = datetime.fromtimestamp(last.at_ms / 1000, zone)
    said = f"can come, {where}" if last.available else "cannot come"
    typer.echo(f"{responder} {said} (reported {at:%Y-%m-%d %H:%M})")
