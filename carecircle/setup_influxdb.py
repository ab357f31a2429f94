"""What an InfluxDB 2 needs for CareCircle: planned from what is there. Pure; :mod:`carecircle.setup_influxdb_server`
asks the server and does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from carecircle.setup_mosquitto import SetupError
from store.schema import BUCKETS, DAY_S

#: InfluxQL names a database and, within it, a retention policy; this is the one that it takes when none is named.
POLICY = "autogen"


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who gets a token: what for, and whether it may write. Everybody reads the four buckets and no other."""

    name: str
    purpose: str
    writes: bool

    @property
    def description(self) -> str:
        """By which the token is found again in InfluxDB."""
        return f"carecircle {self.name}"

    @property
    def file(self) -> str:
        """The file that holds the token; in a folder of its own, so that each holder can be given no other."""
        return f"{self.name}/influxdb.token"


#: The writer reads too: it makes the roll-ups out of the points.
LOGINS = (
    Login("writer", "the role writer: writes points, reads them for the roll-ups", writes=True),
    Login("reader", "the console and `carecircle report`", writes=False),
    Login("grafana", "Grafana's data source", writes=False),
)


@dataclass(frozen=True, slots=True)
class FoundBucket:
    """A bucket of the organisation; ``retention_s`` 0 keeps for ever."""

    id: str
    retention_s: int


@dataclass(frozen=True, slots=True)
class FoundMapping:
    """A DBRP mapping: what InfluxQL calls ``database`` is the bucket. Virtual ones the server makes by itself."""

    id: str
    database: str
    bucket_id: str
    default: bool


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token; ``token`` is None where the server does not tell it. ``rights`` are pairs of action and bucket id."""

    id: str
    description: str
    token: str | None
    rights: frozenset[tuple[str, str]]
    active: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What is there. ``org_id`` None: there is no such organisation, and then nothing else is."""

    org_id: str | None = None
    buckets: Mapping[str, FoundBucket] = field(default_factory=dict)
    mappings: Sequence[FoundMapping] = ()
    tokens: Sequence[FoundToken] = ()


class Kind(StrEnum):
    """What a step does."""

    ORG = "organisation"
    BUCKET = "bucket"
    RETENTION = "retention"
    MAPPING = "mapping"
    DEFAULT = "default mapping"
    TOKEN = "token"
    FILE = "token file"
    REVOKE = "old token"


@dataclass(frozen=True, slots=True)
class Step:
    """One change. ``name`` is a bucket or a login; ``said`` is for whoever reads; ``id`` of what is changed."""

    kind: Kind
    name: str
    said: str
    id: str = ""
    text: str = ""


def plan(
    org: str,
    found: Found,
    files: Mapping[str, str],
    *,
    renew: Sequence[str] = (),
    shorten: bool = False,
) -> list[Step]:
    """The steps from what is ``found`` to what must be, none where it is so already. ``files``: the token files' texts.

    Args:
        renew: logins that get a new token; the old one is revoked once the new one is in its file.
        shorten: a bucket that keeps longer than it should may be shortened, which deletes what is older.

    Raises:
        SetupError: a database's name is mapped to another bucket, a bucket keeps longer than it should, or ``renew``
            names no login.
    """
    unknown = [name for name in renew if name not in {login.name for login in LOGINS}]
    if unknown:
        raise SetupError(f"there is no token for {unknown[0]!r}: they are {', '.join(one.name for one in LOGINS)}")
    steps: list[Step] = []
    if found.org_id is None:
        steps.append(Step(Kind.ORG, org, f"make organisation {org}"))
    for name, bucket in BUCKETS.items():
        steps += _bucket(name, bucket.retention_s, found, shorten=shorten)
    for name in BUCKETS:
        steps += _mapping(name, found)
    for login in LOGINS:
        steps += _token(login, found, files.get(login.file, "").strip(), renew=login.name in renew)
    return steps


def rights_of(login: Login, bucket_ids: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """What a login may: pairs of action and bucket id."""
    actions = ("read", "write") if login.writes else ("read",)
    return frozenset((action, bucket_ids[name]) for name in BUCKETS for action in actions)


def _bucket(name: str, retention_s: int, found: Found, *, shorten: bool) -> list[Step]:
    there = found.buckets.get(name)
    if there is None:
        return [Step(Kind.BUCKET, name, f"make bucket {name}, kept for {_days(retention_s)}")]
    if there.retention_s == retention_s:
        return []
    is_shorter = there.retention_s == 0 or there.retention_s > retention_s
    if is_shorter and not shorten:
        raise SetupError(
            f"bucket {name} keeps for {_days(there.retention_s)}, it should for {_days(retention_s)}: what is older"
            " would be deleted. Say --shorten if that is meant"
        )
    said = f"bucket {name}: keep for {_days(retention_s)} instead of {_days(there.retention_s)}"
    return [Step(Kind.RETENTION, name, said, id=there.id)]


def _mapping(name: str, found: Found) -> list[Step]:
    there = found.buckets.get(name)
    of_name = [mapping for mapping in found.mappings if mapping.database == name]
    ours = [mapping for mapping in of_name if there is not None and mapping.bucket_id == there.id]
    if any(mapping.default for mapping in ours):
        return []
    taken = next((mapping for mapping in of_name if mapping.default), None)
    if taken is not None:
        raise SetupError(
            f"InfluxQL's database {name} is mapped to another bucket ({taken.bucket_id}): delete that mapping, "
            f"`influx v1 dbrp delete --id {taken.id}`, and run this again"
        )
    if ours:
        return [Step(Kind.DEFAULT, name, f"InfluxQL: make the mapping of {name} its default", id=ours[0].id)]
    return [Step(Kind.MAPPING, name, f"InfluxQL: database {name} is bucket {name}")]


def _token(login: Login, found: Found, in_file: str, *, renew: bool) -> list[Step]:
    there = [token for token in found.tokens if token.description == login.description and token.active]
    bucket_ids = {name: bucket.id for name, bucket in found.buckets.items()}
    fitting = []
    if not renew and all(name in bucket_ids for name in BUCKETS):
        fitting = [token for token in there if token.rights == rights_of(login, bucket_ids)]
    if in_file and any(token.token in (in_file, None) for token in fitting):
        return []
    shown = next((token for token in fitting if token.token), None)
    if shown is not None and shown.token:
        return [Step(Kind.FILE, login.name, f"write {login.file} with the token that is there", text=shown.token)]
    steps = [Step(Kind.TOKEN, login.name, f"make a token for {login.name} ({login.purpose}) in {login.file}")]
    steps += [
        Step(Kind.REVOKE, login.name, f"revoke the old token of {login.name} ({old.id})", id=old.id)
        for old in there
        if old not in fitting  # it may too much, too little, or is for buckets that are gone
    ]
    return steps


def _days(seconds: int) -> str:
    return "ever" if seconds == 0 else f"{seconds / DAY_S:g} days"
