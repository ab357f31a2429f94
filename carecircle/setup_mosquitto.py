"""Configuration, ACL and passwords for mosquitto: planned from what is asked for and what is there, then written.

Run again it changes only what differs: users keep their passwords, hubs not named again keep their devices.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import ipaddress
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carecircle.setup_zigbee import check_zigbee, zigbee_lines, zigbee_of
from telemetry.codec import MAX_PAYLOAD
from telemetry.errors import TelemetryError
from telemetry.topics import PREFIX, UPWARD, Stream, is_device_id

RECEIVER = "carecircle"
PUBLISHER = "carecircle-cmd"
_OURS = (RECEIVER, PUBLISHER)

CONFIG, ACL, PASSWORDS, DEVICES, DATA = "mosquitto.conf", "acl", "passwords", "devices.csv", "data"
_HUB = "# hub "

#: mosquitto's own default. The passwords made here are 144 random bits, which no number of rounds makes safer, and
#: when a broker comes back it has to check every device's password at once, on one thread.
_ROUNDS = 101
_PASSWORD_BYTES = 18
_HEADER = "# Made by `carecircle setup mosquitto`.\n"


class SetupError(ValueError):
    """What was asked for cannot be set up; the text says what to give instead."""


@dataclass(frozen=True)
class Listener:
    """Where the broker listens and how much it may hold in memory."""

    bind: str = "127.0.0.1"
    port: int | None = None
    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    require_certificate: bool = False
    queue_mb: int = 1024

    def __post_init__(self) -> None:
        if bool(self.cert) != bool(self.key):
            raise SetupError("a TLS listener needs both --cert and --key")
        if self.require_certificate and not (self.cert and self.ca):
            raise SetupError("--require-certificate needs --cert, --key and --ca, the authority of the devices")

    @property
    def is_exposed(self) -> bool:
        """Whether passwords would cross a network in the clear."""
        with contextlib.suppress(ValueError):
            return self.cert is None and not ipaddress.ip_address(self.bind).is_loopback
        return self.cert is None and self.bind != "localhost"


@dataclass(frozen=True)
class BrokerOptions:
    """What is asked for. ``hubs`` maps a hub to the devices that it speaks for; an empty list ends that.

    ``zigbee`` maps the user of a Zigbee2MQTT to its base topic; an empty one ends that.
    Without ``listener`` a configuration that exists is left as it is.
    """

    out: Path
    devices: tuple[str, ...] = ()
    hubs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    zigbee: Mapping[str, str] = field(default_factory=dict)
    renew: tuple[str, ...] = ()
    listener: Listener | None = None

    def __post_init__(self) -> None:
        for user in (
            *self.devices,
            *self.hubs,
            *self.zigbee,
            *(device for spoken in self.hubs.values() for device in spoken),
        ):
            if not is_device_id(user):
                raise SetupError(f"{user!r} cannot be a device id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -")
            if user in _OURS:
                raise SetupError(f"{user!r} is a name of CareCircle's own and cannot be a device: rename the device")


@dataclass(frozen=True)
class PlannedFile:
    """One file as it will be. ``before`` is what it holds now, None where it does not exist."""

    name: str
    text: str
    mode: int
    before: str | None

    @property
    def change(self) -> str:
        """``new``, ``changed`` or ``unchanged``."""
        return "new" if self.before is None else "unchanged" if self.before == self.text else "changed"


@dataclass(frozen=True)
class Plan:
    """What would be written, and who would get a new password."""

    files: tuple[PlannedFile, ...]
    new_users: tuple[str, ...]


def hash_password(password: str, salt: bytes) -> str:
    """A password as mosquitto 2.0 keeps it (``$7$``: PBKDF2, RFC 8018, with HMAC-SHA-512 and 64 bytes)."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def acl_text(hubs: Mapping[str, Iterable[str]], zigbee: Mapping[str, str] | None = None) -> str:
    """The ACL: every device its own topics, the gateway all upward ones, each hub those of its devices.

    A Zigbee2MQTT (user -> base topic) writes and reads what is below its base topic, and the gateway reads that.
    The upward topics are listed one by one: with ``#`` a device could write, and retain, its own ``cmd``.
    """
    lines = [
        f"{_HEADER}# Run it again rather than change this by hand.\n",
        "# Every device: its own five topics up, its own one down.",
    ]
    lines += [f"pattern write {PREFIX}/%u/{stream.value}" for stream in UPWARD]
    lines += [f"pattern read {PREFIX}/%u/{Stream.CMD.value}", ""]
    lines += ["# The gateway's receiving session.", f"user {RECEIVER}"]
    lines += [f"topic read {PREFIX}/+/{stream.value}" for stream in UPWARD]
    lines += [f"topic read {base}/#" for _, base in sorted((zigbee or {}).items())]
    lines += [f"topic write {PREFIX}/+/{Stream.CMD.value}", ""]
    lines += ["# Commands, from the gateway and from `carecircle doctor`.", f"user {PUBLISHER}"]
    lines += [f"topic write {PREFIX}/+/{Stream.CMD.value}"]
    for hub, devices in sorted(hubs.items()):
        spoken = sorted(set(devices))
        lines += ["", f"{_HUB}{hub} speaks for {' '.join(spoken)}", f"user {hub}"]
        for device in spoken:
            lines += [f"topic write {PREFIX}/{device}/{stream.value}" for stream in UPWARD]
            lines += [f"topic read {PREFIX}/{device}/{Stream.CMD.value}"]
    lines += zigbee_lines(zigbee or {})
    return "\n".join(lines) + "\n"


def config_text(out: Path, listener: Listener) -> str:
    """mosquitto.conf. Each line that decides whether messages survive has its reason above it."""
    out = out.absolute()
    port = listener.port or (8883 if listener.cert else 1883)
    lines = [_HEADER, "per_listener_settings false", f"listener {port} {listener.bind}"]
    if listener.cert is not None and listener.key is not None:
        lines += [f"certfile {listener.cert.absolute()}", f"keyfile {listener.key.absolute()}"]
        if listener.ca is not None:
            lines += [f"cafile {listener.ca.absolute()}"]
        lines += [f"require_certificate {str(listener.require_certificate).lower()}"]
    lines += [
        "",
        "allow_anonymous false",
        f"password_file {out / PASSWORDS}",
        f"acl_file {out / ACL}",
        "# A device that logs in with the gateway's client id would empty the gateway's session.",
        "use_username_as_clientid true",
        "",
        "persistence true",
        f"persistence_location {out / DATA}/",
        "# What a kill or a power cut costs at most; by default nothing is saved for half an hour.",
        "autosave_interval 10",
        "# What the broker holds while the gateway is away, in memory; by default 1000 messages, the rest thrown away.",
        "max_queued_messages 0",
        f"max_queued_bytes {listener.queue_mb << 20}",
        "# Zigbee2MQTT sends with QoS 0 unless told otherwise; what it says while the gateway is away waits too.",
        "queue_qos0_messages true",
        "# Sent to the gateway and not yet acknowledged: it acknowledges every 20 ms, so this allows 100,000 a second.",
        "max_inflight_messages 2000",
        "# A session that nobody came back to. The gateway's goes too, after two weeks.",
        "persistent_client_expiration 14d",
        f"# The largest message of the contract has {MAX_PAYLOAD[Stream.MOTION]} bytes. Larger ones up to this go into"
        " the quarantine, with their sender's name.",
        "max_packet_size 16777216",
        "set_tcp_nodelay true",
        "",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages true",
    ]
    return "\n".join(lines) + "\n"


def plan(
    options: BrokerOptions,
    present: Mapping[str, str],
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> Plan:
    """What the folder should hold. ``present`` has the texts of the files in it now; ``draw`` gives random bytes."""
    hubs = {hub: devices for hub, devices in (_hubs(present.get(ACL, "")) | dict(options.hubs)).items() if devices}
    zigbee = {user: base for user, base in (zigbee_of(present.get(ACL, "")) | dict(options.zigbee)).items() if base}
    try:
        check_zigbee(zigbee)
    except TelemetryError as error:
        raise SetupError(f"--zigbee2mqtt: {error.detail}") from None
    users = list(dict.fromkeys([*_OURS, *options.devices, *hubs, *zigbee]))
    hashes = dict(line.split(":", 1) for line in present.get(PASSWORDS, "").splitlines() if ":" in line)
    # A renewed user need not be named again among the devices, but must be one that there is.
    unknown = [user for user in options.renew if user not in hashes and user not in users]
    if unknown:
        raise SetupError(f"no user {unknown[0]!r} whose password could be renewed: name it with --device")
    handed_out = dict(csv.reader(io.StringIO(present.get(DEVICES, ""))))
    own: dict[str, str] = {}
    new_users = [user for user in users if user not in hashes]
    new_users += [user for user in options.renew if user not in new_users]
    for user in new_users:
        password = base64.urlsafe_b64encode(draw(_PASSWORD_BYTES)).decode()
        hashes[user] = hash_password(password, draw(12))
        if user in _OURS:
            own[user] = password + "\n"
        else:
            handed_out[user] = password
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(handed_out.items())
    config = present.get(CONFIG)
    if config is None or options.listener is not None:
        config = config_text(options.out, options.listener or Listener())
    texts = [
        (CONFIG, config, 0o644),
        (ACL, acl_text(hubs, zigbee), 0o640),
        (PASSWORDS, "".join(f"{user}:{hashed}\n" for user, hashed in hashes.items()), 0o640),
        (DEVICES, table.getvalue(), 0o600),
    ]
    for user in _OURS:
        name = f"{user}.password"
        text = own.get(user, present.get(name))
        if text is not None:  # None: made earlier, taken away by the operator
            texts.append((name, text, 0o600))
    files = tuple(PlannedFile(name, text, mode, present.get(name)) for name, text, mode in texts)
    return Plan(files, tuple(new_users))


def address(config: str) -> str:
    """Under which address a broker with this configuration is reached."""
    found = re.search(r"^listener (\d+) (\S+)", config, re.MULTILINE)
    port, bind = found.groups() if found else ("1883", "127.0.0.1")
    scheme = "mqtts" if re.search(r"^certfile ", config, re.MULTILINE) else "mqtt"
    return f"{scheme}://{'127.0.0.1' if bind == '0.0.0.0' else bind}:{port}"


def read_present(out: Path) -> dict[str, str]:
    """The texts of our files in ``out``, as far as they exist."""
    names = (CONFIG, ACL, PASSWORDS, DEVICES, *(f"{user}.password" for user in _OURS))
    return {name: (out / name).read_text() for name in names if (out / name).exists()}


def apply(out: Path, planned: Plan) -> None:
    """Write what differs. Each file is replaced whole, and is never readable by more than it should be."""
    out.mkdir(parents=True, exist_ok=True)
    (out / DATA).mkdir(mode=0o750, exist_ok=True)  # it holds what people measured
    _hand_over(out / DATA, user="mosquitto")
    for file in planned.files:
        path = out / file.name
        if file.change == "unchanged":
            continue
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode), "w") as stream:
            stream.write(file.text)
            os.fchmod(stream.fileno(), file.mode)
            os.fsync(stream.fileno())
        if file.name in (ACL, PASSWORDS):
            _hand_over(fresh)
        fresh.replace(path)


def read_device_list(path: Path) -> tuple[str, ...]:
    """Device ids, one a line or the first column of a CSV; ``#`` begins a comment.

    Raises:
        SetupError: naming file and line.
    """
    devices = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        device = re.split(r"[,;#]", line, maxsplit=1)[0].strip()
        if not device or (number == 1 and device in ("id", "device")):
            continue
        if not is_device_id(device):
            raise SetupError(f"{path}:{number}: {device!r} cannot be a device id: A-Z a-z 0-9 _ . : - and at most 64")
        devices.append(device)
    return tuple(devices)


def parse_hub(text: str) -> tuple[str, tuple[str, ...]]:
    """``HUB:dev1,dev2``, or with ``=`` where the hub's own id has a colon."""
    hub, separator, devices = text.partition("=" if "=" in text else ":")
    if not separator:
        raise SetupError(f"--hub {text!r}: give HUB:device,device")
    return hub, tuple(device.strip() for device in devices.split(",") if device.strip())


def _hubs(acl: str) -> dict[str, tuple[str, ...]]:
    """The hubs of an ACL that :func:`acl_text` made."""
    hubs = {}
    for line in acl.splitlines():
        if line.startswith(_HUB):
            hub, _, devices = line.removeprefix(_HUB).partition(" speaks for ")
            hubs[hub] = tuple(devices.split())
    return hubs


def _hand_over(path: Path, user: str | None = None) -> None:
    """Let the broker's own account in, where there is one and we may."""
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(path, user=user, group="mosquitto")
