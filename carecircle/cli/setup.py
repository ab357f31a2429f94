"""``carecircle setup``: prepare the servers around CareCircle."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carecircle.cli.common import SettingsOption, err, fail, load_settings
from carecircle.cli.setup_grafana import grafana

if TYPE_CHECKING:
    from carecircle.setup_mosquitto import Plan

_TIMEOUT_S = 10.0

app = typer.Typer(name="setup", help="Prepare the servers around CareCircle.", no_args_is_help=True)


app.command()(grafana)


@app.callback()
def _group() -> None:
    """Prepare the servers around CareCircle."""


@app.command()
def mosquitto(
    out: Annotated[Path, typer.Option(help="Folder for configuration, ACL, passwords and the broker's store.")],
    device: Annotated[list[str] | None, typer.Option(help="A device that needs a password; repeat.")] = None,
    devices_from: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="File with a device id per line, or CSV.")
    ] = None,
    registry: Annotated[str | None, typer.Option(help="Database URL of a registry: all devices in it.")] = None,
    hub: Annotated[
        list[str] | None, typer.Option(help="HUB:dev1,dev2: a hub that speaks for other devices; HUB: ends that.")
    ] = None,
    zigbee2mqtt: Annotated[
        list[str] | None, typer.Option(help="USER or USER=BASE: a Zigbee2MQTT and its base topic; USER= ends that.")
    ] = None,
    renew: Annotated[list[str] | None, typer.Option(help="A user who gets a new password; repeat.")] = None,
    bind: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless given.")] = None,
    port: Annotated[int | None, typer.Option(help="1883, with TLS 8883, unless given.")] = None,
    cert: Annotated[Path | None, typer.Option(exists=True, help="TLS: the broker's certificate.")] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="TLS: its key.")] = None,
    ca: Annotated[Path | None, typer.Option(exists=True, help="TLS: authority of the clients' certificates.")] = None,
    require_certificate: Annotated[bool, typer.Option(help="Clients must show a certificate too.")] = False,
    queue_mb: Annotated[
        int | None, typer.Option(min=1, help="Memory for what waits while the gateway is away, MiB; 1024 unless given.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Write mosquitto's configuration, ACL and passwords.

    Run it again whenever devices are added: nobody's password changes unless it is renewed, and the configuration
    changes only when an option about the listener (--bind to --queue-mb) is given.
    """
    from carecircle import setup_mosquitto as setup
    from carecircle.setup_zigbee import parse_zigbee

    try:
        devices = [*(device or []), *(setup.read_device_list(devices_from) if devices_from else ())]
        if registry is not None:
            devices += _registered(registry)
        about_listener: dict[str, Any] = {
            "bind": bind,
            "port": port,
            "cert": cert,
            "key": key,
            "ca": ca,
            "require_certificate": require_certificate or None,
            "queue_mb": queue_mb,
        }
        said = {name: value for name, value in about_listener.items() if value is not None}
        options = setup.BrokerOptions(
            out=out,
            devices=tuple(devices),
            hubs=dict(setup.parse_hub(one) for one in hub or []),
            zigbee=dict(parse_zigbee(one) for one in zigbee2mqtt or []),
            renew=tuple(renew or ()),
            listener=setup.Listener(**said) if said else None,
        )
        planned = setup.plan(options, setup.read_present(out))
        if not dry_run:
            setup.apply(out, planned)
    except (setup.SetupError, OSError) as error:
        fail(str(error))
    for file in planned.files:
        typer.echo(f"{file.change:>9}  {out / file.name}")
    typer.echo(f"new passwords: {', '.join(planned.new_users) or 'none'}")
    if options.listener is not None and options.listener.is_exposed:
        err.print("Without TLS passwords cross the network in the clear: give --cert and --key.", style="yellow")
    if dry_run:
        typer.echo("dry run: nothing was written")
        return
    url = setup.address(next(file.text for file in planned.files if file.name == setup.CONFIG))
    typer.echo(
        f"""
Start the broker:   mosquitto -c {out / setup.CONFIG}
  it runs already:  kill -HUP it; it reads passwords and ACL again and drops nobody
Settings:
  [broker]
  url = "{url}"
  username = "{setup.RECEIVER}"
  password_file = "{out.absolute() / setup.RECEIVER}.password"
  command_username = "{setup.PUBLISHER}"
  command_password_file = "{out.absolute() / setup.PUBLISHER}.password"
{_zigbee_settings(planned)}\
The devices' passwords are in {out / setup.DEVICES} (user,password): bring them to the devices, then delete it."""
    )


def _zigbee_settings(planned: Plan) -> str:
    from carecircle.setup_mosquitto import ACL
    from carecircle.setup_zigbee import zigbee_bases

    bases = zigbee_bases(next(file.text for file in planned.files if file.name == ACL))
    listed = ", ".join(f'"{base}"' for base in bases)
    return f"  [zigbee2mqtt]\n  base_topics = [{listed}]\n" if bases else ""


def _registered(url: str) -> list[str]:
    from sqlalchemy.exc import SQLAlchemyError

    import registry

    try:
        return sorted(registry.directory(registry.create_engine(url), secrets=False).devices)
    except (registry.RegistryError, SQLAlchemyError) as error:
        fail(f"the registry {url} cannot be read: {error}")


@app.command(name="secrets")
def secret_files(
    out: Annotated[Path, typer.Option(help="Folder for the secret files; only its owner may look into it.")],
    host: Annotated[
        list[str] | None, typer.Option(help="A name or address under which devices reach the broker; repeat.")
    ] = None,
    renew: Annotated[list[str] | None, typer.Option(help="A file to be made anew; repeat.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
) -> None:
    """Make the secret files that docker-compose.yml names, the broker's certificate among them.

    What is there is kept, unless it is renewed. No secret is ever shown.
    """
    from carecircle import setup_secrets as setup
    from carecircle.setup_mosquitto import SetupError

    try:
        planned = setup.plan(setup.read_present(out), time.time_ns() // 1_000_000, hosts=host or (), renew=renew or ())
        closed = [] if dry_run else setup.apply(out, planned)
    except (SetupError, OSError) as error:
        fail(str(error))
    for one in planned.files:
        typer.echo(f"{one.change:>7}  {out / one.file.name}  {one.file.purpose}")
    for one in planned.files:
        if one.change == "renewed" and one.file.after_renewal:
            typer.echo(f"{one.file.name}: {one.file.after_renewal}")
    for name in closed:
        err.print(f"{name} could be read by others; now it cannot. Renew it if somebody may have.", style="yellow")
    for warning in planned.warnings:
        err.print(warning, style="yellow")
    if dry_run:
        typer.echo("dry run: nothing was written")


@app.command()
def influxdb(
    out: Annotated[Path, typer.Option(help="Folder for the token files, one for each login.")],
    settings_file: SettingsOption = None,
    url: Annotated[str | None, typer.Option(help="http://host:8086; default: store.url of the settings.")] = None,
    org: Annotated[str | None, typer.Option(help="Organisation; default: store.org of the settings.")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The administrator's token; default: INFLUX_TOKEN."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The first user's password, for a server that is new."),
    ] = None,
    renew: Annotated[
        list[str] | None, typer.Option(help="writer, reader or grafana: a new token, the old one revoked; repeat.")
    ] = None,
    shorten: Annotated[
        bool, typer.Option("--shorten", help="Shorten what keeps for too long: older points are deleted.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
) -> None:
    """Prepare an InfluxDB 2: organisation, buckets with their retention, InfluxQL mappings, tokens that may little.

    Run it again at any time: it changes what differs and says so. Tokens go into files that only their owner reads.
    """
    from carecircle import setup_influxdb as planning
    from carecircle import setup_influxdb_server as server
    from carecircle.setup_mosquitto import SetupError

    settings = load_settings(settings_file)
    address, organisation = url or settings.store.url, org or settings.store.org
    if not address.startswith(("http://", "https://")):
        fail(f"the store is {address!r}, not an InfluxDB: give --url http://host:8086")
    token = token_file.read_text().strip() if token_file else os.environ.get("INFLUX_TOKEN", "")
    if not token:
        fail("the administrator's token is missing: give --token-file, or set INFLUX_TOKEN")
    changed = 0
    would = "would " if dry_run else ""
    try:
        server.check_version(address, token, _TIMEOUT_S)
        with server.Server(address, token, organisation, _TIMEOUT_S) as influx:
            fresh = influx.is_fresh()
            if fresh:
                if password_file is None:
                    fail(f"{address} is new: give --password-file, the password that its first user is to have")
                typer.echo(f"{would}set up a new server: user {server.FIRST_USER} with that password and that token")
                changed += 1
                if not dry_run:
                    influx.set_up(password_file.read_text().strip(), token)
            found = planning.Found() if fresh and dry_run else influx.look()
            steps = planning.plan(organisation, found, server.read_files(out), renew=renew or (), shorten=shorten)
            for step in steps if dry_run else influx.do(steps, found, out):
                typer.echo(f"{would}{step.said}")
                changed += 1
    except (SetupError, OSError) as error:
        fail(str(error))
    if not changed:
        typer.echo(f"{address}: nothing to change")
    if dry_run:
        typer.echo("dry run: nothing was written")
        return
    typer.echo(
        f"""
Settings of the writer:
  [store]
  url = "{address}"
  org = "{organisation}"
  token_file = "{out.absolute() / "writer" / "influxdb.token"}"
The console and reports need no more than {out / "reader" / "influxdb.token"},
Grafana no more than {out / "grafana" / "influxdb.token"}."""
    )
