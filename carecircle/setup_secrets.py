"""The secret files that docker-compose.yml names: planned from what is there, then written. None is ever shown."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carecircle.setup_certificates import Pair, hosts_of, make_authority, make_server, valid_until_ms
from carecircle.setup_files import is_open_to_others, write_secret
from carecircle.setup_mosquitto import SetupError

POSTGRES, PGPASS = "postgres.password", "postgres.pgpass"
AUTHORITY, AUTHORITY_KEY = "broker-ca.pem", "broker-ca.key"
BROKER, BROKER_KEY = "broker.pem", "broker.key"
REGISTRY_KEY = "registry.key"

#: How the broker is called within the network of the compose file, and on this machine.
OWN_HOSTS = ("mosquitto", "localhost", "127.0.0.1")
_DAY_MS = 86_400_000
_EXPIRES_SOON_MS = 60 * _DAY_MS


@dataclass(frozen=True, slots=True)
class SecretFile:
    """One file: what it is for, and what must be done by hand once it has been renewed."""

    name: str
    purpose: str
    after_renewal: str


#: In the order in which they are told.
FILES: tuple[SecretFile, ...] = (
    SecretFile(
        POSTGRES,
        "the password of the database's user carecircle",
        "the database keeps the old one until it is told: "
        "docker compose exec postgres psql -U carecircle -c '\\password carecircle'",
    ),
    SecretFile(PGPASS, "the same, as our processes read it (PGPASSFILE)", "restart our processes"),
    SecretFile("influxdb-admin.password", "the login of InfluxDB's first user", "change it in InfluxDB too"),
    SecretFile(
        "influxdb-admin.token", "InfluxDB's administrator, for `carecircle setup influxdb`", "make it in InfluxDB too"
    ),
    SecretFile(
        "grafana-admin.password",
        "the login of Grafana's first user, admin",
        "Grafana keeps the old one until it is told: docker compose exec grafana grafana cli admin"
        " reset-admin-password",
    ),
    SecretFile("alerts-link.key", "signs the links in notifications", "links that are out there are no longer good"),
    SecretFile(REGISTRY_KEY, "encrypts phones, door codes and channels", ""),
    SecretFile(AUTHORITY, "what devices trust: bring it to them", "bring it to every device"),
    SecretFile(AUTHORITY_KEY, "signs the broker's certificate; keep it off the server if you can", ""),
    SecretFile(BROKER, "the broker's certificate", "restart the broker"),
    SecretFile(BROKER_KEY, "its key", "restart the broker"),
)
_NAMES = tuple(file.name for file in FILES)
#: Files that are only good together.
_TOGETHER = ({POSTGRES, PGPASS}, {AUTHORITY, AUTHORITY_KEY, BROKER, BROKER_KEY}, {BROKER, BROKER_KEY})


@dataclass(frozen=True, slots=True)
class Planned:
    """One file as it will be; ``text`` is None where it stays as it is."""

    file: SecretFile
    text: str | None
    was_there: bool

    @property
    def change(self) -> str:
        """``new``, ``renewed``, ``kept`` or ``absent``: not there, and not needed now."""
        if self.text is None:
            return "kept" if self.was_there else "absent"
        return "renewed" if self.was_there else "new"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be written, and what somebody should look at."""

    files: tuple[Planned, ...]
    warnings: tuple[str, ...]


def plan(
    present: Mapping[str, str],
    now_ms: int,
    *,
    hosts: Sequence[str] = (),
    renew: Sequence[str] = (),
    draw: Callable[[int], bytes] = secrets.token_bytes,
) -> Plan:
    """What the folder should hold. ``present`` has the texts of the files that are there; ``draw`` gives random bytes.

    ``hosts`` are further names under which devices reach the broker. What is there stays, unless it is renewed.

    Raises:
        SetupError: ``renew`` names none of the files, or the registry's key, or only one half of a pair is there.
    """
    unknown = [name for name in renew if name not in _NAMES]
    if unknown:
        raise SetupError(f"there is no secret {unknown[0]!r}: they are {', '.join(_NAMES)}")
    if REGISTRY_KEY in renew and REGISTRY_KEY in present:
        raise SetupError(
            "registry.key encrypts what is in the registry and is not replaced here: `carecircle registry rotate-key`"
            " adds a new one and seals everything anew"
        )
    again = set(renew)
    for together in _TOGETHER:
        if together == {AUTHORITY, AUTHORITY_KEY, BROKER, BROKER_KEY}:
            if again & {AUTHORITY, AUTHORITY_KEY}:
                again |= together
        elif again & together:
            again |= together
    texts = {name: text for name, text in present.items() if name not in again}
    made: dict[str, str] = {}
    if POSTGRES not in texts and PGPASS in texts:
        raise SetupError(f"{PGPASS} is there and {POSTGRES} is not: put it back, or --renew {POSTGRES}")
    for name in _NAMES:
        if name in texts or name in (PGPASS, AUTHORITY, AUTHORITY_KEY, BROKER, BROKER_KEY):
            continue
        # 32 bytes: what the registry's cipher takes, and enough for everything else
        text = base64.b64encode(draw(32)) if name == REGISTRY_KEY else base64.urlsafe_b64encode(draw(30))
        made[name] = text.decode() + ("\n" if name == REGISTRY_KEY else "")
    if PGPASS not in texts:
        made[PGPASS] = f"postgres:5432:*:carecircle:{(texts | made)[POSTGRES].strip()}\n"
    made |= _certificates(texts, (*OWN_HOSTS, *hosts), now_ms)
    files = tuple(Planned(file, made.get(file.name), file.name in present) for file in FILES)
    return Plan(files, tuple(_warnings(texts | made, hosts, now_ms)))


def read_present(out: Path) -> dict[str, str]:
    """The texts of our files in ``out``, as far as they exist. Raises OSError."""
    return {name: (out / name).read_text() for name in _NAMES if (out / name).exists()}


def apply(out: Path, planned: Plan) -> list[str]:
    """Write what is new; the names of those that others could read and now cannot. Raises OSError."""
    closed = []
    for file in planned.files:
        path = out / file.file.name
        if file.text is not None:
            write_secret(path, file.text)
        elif file.was_there and is_open_to_others(path):
            path.chmod(0o600)
            closed.append(file.file.name)
    return closed


def _certificates(texts: Mapping[str, str], hosts: Sequence[str], now_ms: int) -> dict[str, str]:
    """The certificates that are missing among ``texts``."""
    if BROKER in texts and BROKER_KEY in texts:  # the authority's key may be kept elsewhere, or be somebody else's
        return {}
    if BROKER in texts or BROKER_KEY in texts:
        raise SetupError(f"of {BROKER} and {BROKER_KEY} one is missing: put it back, or --renew {BROKER}")
    made: dict[str, str] = {}
    if AUTHORITY in texts and AUTHORITY_KEY in texts:
        authority = Pair(texts[AUTHORITY], texts[AUTHORITY_KEY])
    elif AUTHORITY in texts or AUTHORITY_KEY in texts:
        raise SetupError(
            f"of {AUTHORITY} and {AUTHORITY_KEY} one is missing: put it back for as long as {BROKER} is made"
        )
    else:
        authority = make_authority(now_ms)
        made |= {AUTHORITY: authority.cert, AUTHORITY_KEY: authority.key}
    try:
        server = make_server(authority, hosts, now_ms)
    except ValueError as error:
        raise SetupError(f"{BROKER} cannot be made with {AUTHORITY} and {AUTHORITY_KEY}: {error}") from None
    return made | {BROKER: server.cert, BROKER_KEY: server.key}


def _warnings(texts: Mapping[str, str], hosts: Sequence[str], now_ms: int) -> list[str]:
    said = []
    try:
        missing = set(hosts) - hosts_of(texts[BROKER])
        left_days = (valid_until_ms(texts[BROKER]) - now_ms) // _DAY_MS
    except ValueError as error:
        return [f"{BROKER} cannot be read ({error}): --renew {BROKER}"]
    if missing:
        said.append(f"{BROKER} is not for {', '.join(sorted(missing))}: add --renew {BROKER}")
    if left_days * _DAY_MS < _EXPIRES_SOON_MS:
        said.append(f"{BROKER} is good for {max(left_days, 0)} more days: --renew {BROKER}")
    return said
