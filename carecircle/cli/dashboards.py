"""``carecircle dashboards``: the dashboards on paper, and their files made anew."""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from carecircle.cli.common import SettingsOption, fail, load_settings

app = typer.Typer(no_args_is_help=True, help="Dashboards for Grafana: print them, make their files anew.")


class Name(StrEnum):
    """The dashboards."""

    PATIENT = "patient"
    WARD = "ward"
    RESPONSES = "responses"
    SUPERVISION = "supervision"
    FLEET = "fleet"
    PIPELINE = "pipeline"


class Language(StrEnum):
    """What the sheet is written in."""

    EN = "en"
    ZH = "zh"


@app.command()
def preview(
    settings_file: SettingsOption = None,
    dashboard: Annotated[
        list[Name] | None,
        typer.Option("--dashboard", "-d", help="Which one; may be given several times. Default: all."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the PNG files.")] = Path("out/dashboards"),
    store: Annotated[str, typer.Option("--store", help="http(s)://host:port of InfluxDB; default: store.url.")] = "",
    area: Annotated[str, typer.Option("--area", help="Only this area and all below it: its dotted path.")] = "",
    person: Annotated[str, typer.Option("--person", help="Whose patient sheet: the key. Default: the first.")] = "",
    device: Annotated[list[str] | None, typer.Option("--device", help="Only these devices.")] = None,
    since: Annotated[str, typer.Option("--from", help="2026-03-01T08:00, or now-24h; default: as in Grafana.")] = "",
    until: Annotated[str, typer.Option("--to", help="2026-03-02T08:00, or now.")] = "now",
    language: Annotated[
        list[Language] | None, typer.Option("--language", help="en or zh; may be given twice. Default: both.")
    ] = None,
) -> None:
    """Draw dashboards as sheets (PNG) to be printed, from the same statements that Grafana asks.

    Asks InfluxDB with the token of the settings (store.token). The embedded store has no InfluxQL: there the console
    shows people and devices.
    """
    import dashboards
    from dashboards.macros import Span
    from dashboards.preview import choose, has_chinese_font, sheet
    from store import StoreError
    from store.influx_http import InfluxHttp, QuerySeries

    settings = load_settings(settings_file)
    url = store or settings.resolved_store_url()
    if not url.startswith(("http://", "https://")):
        fail(
            "dashboards are drawn from InfluxDB, and the points of this installation are in the embedded store: give "
            "--store http://host:8086, or see docs/store.md for how to move to InfluxDB. The console shows people and "
            "devices from either."
        )
    zone = ZoneInfo(settings.console.time_zone)
    now_ms = time.time_ns() // 1_000_000
    http = InfluxHttp(url, settings.store_token(), 30.0)
    given = {"area": [area] if area else [], "person": [person] if person else [], "device": device or []}
    console = Console()
    if Language.ZH in (language or Language) and not has_chinese_font():
        console.print(
            "no font with Chinese characters is installed: try apt-get install fonts-noto-cjk", style="yellow"
        )

    def ask(query: str) -> list[QuerySeries]:
        return http.query(query, database="telem")

    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in dashboard or list(Name):
            for one in language or list(Language):
                loaded = dashboards.load(name, one)
                span = Span(
                    _instant(since or loaded["time"]["from"], now_ms, zone, "--from"),
                    _instant(until, now_ms, zone, "--to"),
                    points=400,  # an inch of paper has fewer points than an inch of screen
                )
                if span.from_ms >= span.to_ms:
                    fail(f"--from {since} is not before --to {until}")
                figure = sheet(loaded, ask, span, choose(loaded, ask, span, given), zone, one)
                path = out / f"{name}-{one}.png"
                figure.savefig(path, dpi=110)
                console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
    except (StoreError, dashboards.DashboardsError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename} cannot be written: {error.strerror}")
    finally:
        http.close()


def _instant(text: str, now_ms: int, zone: ZoneInfo, option: str) -> int:
    from dashboards.macros import duration_ms

    if text == "now":
        return now_ms
    try:
        if text.startswith("now-"):
            return now_ms - duration_ms(text.removeprefix("now-"))
        at = datetime.fromisoformat(text)
    except (ValueError, KeyError):
        fail(f"{option} {text!r} is no time: write it as 2026-03-01, 2026-03-01T08:00 or now-24h")
    return round((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp() * 1000)


@app.command()
def build(
    check: Annotated[bool, typer.Option("--check", help="Only say which are stale; exits with 1 if any is.")] = False,
) -> None:
    """Make the JSON files and rules anew from the code (for who changes dashboards; needs grafana-foundation-sdk)."""
    try:
        from dashboards.build import stale, write
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed: pip install 'carecircle[dev]'")
    if check:
        old = stale()
        for path in old:
            typer.echo(f"stale: {path.parent.name}/{path.name}")
        raise typer.Exit(bool(old))
    for path in write():
        typer.echo(f"written: {path.parent.name}/{path.name}")
