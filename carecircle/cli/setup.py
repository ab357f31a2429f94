"""``carecircle setup``: prepare the servers around CareCircle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carecircle.cli.common import err, fail

if TYPE_CHECKING:
    from carecircle.setup_mosquitto import Plan

app = typer.Typer(name="setup", help="Prepare the servers around CareCircle.", no_args_is_help=True)


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
        about_listener = {
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
            listener=setup.Listener(**said) if said else None,  # type: ignore[arg-type]
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
