"""Asks an InfluxDB 2 what it has, and does the steps that :mod:`carecircle.setup_influxdb` planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.bucket import Bucket
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.dbrp_create import DBRPCreate
from influxdb_client.domain.dbrp_update import DBRPUpdate
from influxdb_client.domain.onboarding_request import OnboardingRequest
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException
from influxdb_client.service.dbr_ps_service import DBRPsService
from influxdb_client.service.setup_service import SetupService

from carecircle.setup_files import write_secret
from carecircle.setup_influxdb import (
    LOGINS,
    POLICY,
    Found,
    FoundBucket,
    FoundMapping,
    FoundToken,
    Kind,
    Login,
    Step,
    rights_of,
)
from carecircle.setup_mosquitto import SetupError
from store.influx_http import failure
from store.schema import BUCKETS, DAY_S, TELEM

_PAGE = 100
#: Of the first user, who is InfluxDB's administrator.
FIRST_USER = "carecircle"


def check_version(url: str, token: str, timeout_s: float) -> None:
    """Refuse what is not InfluxDB 2.

    Raises:
        SetupError: nobody answers, or it is a 1.x, a 3, or something else; the text says what to do.
    """
    try:
        # 2.x tells everybody, 3 only those with a token
        answer = urllib3.PoolManager(retries=False, timeout=timeout_s).request(
            "GET", f"{url.rstrip('/')}/ping", headers={"Authorization": f"Token {token}"}
        )
    except urllib3.exceptions.HTTPError as error:
        raise SetupError(
            f"{url} does not answer ({error}): is InfluxDB started, and is the address right, with its port (8086)?"
        ) from None
    said = answer.headers.get("X-Influxdb-Version", "")
    version = said.removeprefix("v")
    if version.startswith("1."):
        statements = "; ".join(
            f'CREATE DATABASE "{name}" WITH DURATION {bucket.retention_s // DAY_S}d' for name, bucket in BUCKETS.items()
        )
        raise SetupError(
            f"{url} is InfluxDB {said}, which has neither buckets nor tokens. Either upgrade it to 2.x, or set it up by"
            f" hand: influx -execute '{statements}', a user with all rights on them, and as store.token its"
            " user:password. See docs/store.md"
        )
    if version.startswith("3."):
        raise SetupError(
            f"{url} is InfluxDB {said}: make the databases {', '.join(BUCKETS)} with `influxdb3 create database` and a"
            " token with `influxdb3 create token`"
        )
    if answer.status not in (200, 204):
        raise SetupError(f"{url}/ping answers {answer.status}: is that InfluxDB's address?")


class Server:
    """An InfluxDB 2 as its administrator sees it. Every call raises SetupError that says what to do."""

    def __init__(self, url: str, token: str, org: str, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._org = org
        self._client: Any = InfluxDBClient(url=self._url, token=token, org=org, timeout=int(timeout_s * 1000))
        self._mappings: Any = DBRPsService(self._client.api_client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def is_fresh(self) -> bool:
        """Whether nobody has set this server up."""
        with self._said("looking whether it is new"):
            return bool(SetupService(self._client.api_client).get_setup().allowed)

    def set_up(self, password: str, token: str) -> None:
        """The first user, the organisation, its first bucket and the administrator's token, as given."""
        request = OnboardingRequest(
            username=FIRST_USER,
            password=password,
            org=self._org,
            bucket=TELEM.name,
            retention_period_seconds=TELEM.retention_s,
            token=token,
        )
        with self._said("setting up a new server"):
            SetupService(self._client.api_client).post_setup(request)

    def look(self) -> Found:
        """What is there of what we need."""
        with self._said("listing organisations"):
            orgs = self._client.organizations_api().find_organizations(limit=_PAGE)
        org_id = next((org.id for org in orgs if org.name == self._org), None)
        if org_id is None:
            return Found()
        with self._said("listing buckets"):
            buckets = {
                bucket.name: FoundBucket(bucket.id, _retention_s(bucket))
                for bucket in self._client.buckets_api().find_buckets_iter(org_id=org_id, limit=_PAGE)
                if bucket.name in BUCKETS
            }
        with self._said("listing DBRP mappings"):
            listed = self._mappings.get_dbr_ps(org_id=org_id).content or []
            mappings = [FoundMapping(one.id, one.database, one.bucket_id, bool(one.default)) for one in listed]
        with self._said("listing tokens"):
            tokens = [_token(one) for one in self._client.authorizations_api().find_authorizations(org_id=org_id)]
        return Found(org_id, buckets, mappings, tokens)

    def do(self, steps: list[Step], found: Found, out: Path) -> Iterator[Step]:
        """Do the steps, in order; each is given back when it is done, so that a failure leaves no doubt about it."""
        org_id = found.org_id or ""
        bucket_ids = {name: bucket.id for name, bucket in found.buckets.items()}
        for step in steps:
            with self._said(step.said):
                if step.kind is Kind.ORG:
                    org_id = self._client.organizations_api().create_organization(name=self._org).id
                elif step.kind is Kind.BUCKET:
                    bucket_ids[step.name] = self._make_bucket(step.name, org_id)
                else:
                    _DO[step.kind](self, step, org_id, bucket_ids, out)
            yield step

    def _make_bucket(self, name: str, org_id: str) -> str:
        made = self._client.buckets_api().create_bucket(
            bucket_name=name, org=org_id, retention_rules=_rules(name), description="CareCircle"
        )
        return str(made.id)

    def _keep(self, step: Step, org_id: str, _bucket_ids: Mapping[str, str], _out: Path) -> None:
        bucket = Bucket(id=step.id, name=step.name, org_id=org_id, retention_rules=[_rules(step.name)])
        self._client.buckets_api().update_bucket(bucket)

    def _map(self, step: Step, org_id: str, bucket_ids: Mapping[str, str], _out: Path) -> None:
        self._mappings.post_dbrp(
            DBRPCreate(
                org_id=org_id,
                bucket_id=bucket_ids[step.name],
                database=step.name,
                retention_policy=POLICY,
                default=True,
            )
        )

    def _map_by_default(self, step: Step, org_id: str, _bucket_ids: Mapping[str, str], _out: Path) -> None:
        self._mappings.patch_dbrpid(step.id, DBRPUpdate(default=True), org_id=org_id)

    def _make_token(self, step: Step, org_id: str, bucket_ids: Mapping[str, str], out: Path) -> None:
        login = _login(step)
        permissions = [
            Permission(action=action, resource=PermissionResource(type="buckets", id=bucket_id, org_id=org_id))
            for action, bucket_id in sorted(rights_of(login, bucket_ids))
        ]
        wanted = Authorization(org_id=org_id, permissions=permissions, description=login.description)
        made = self._client.authorizations_api().create_authorization(authorization=wanted)
        write_secret(out / login.file, made.token)

    def _write(self, step: Step, _org_id: str, _bucket_ids: Mapping[str, str], out: Path) -> None:
        write_secret(out / _login(step).file, step.text)

    def _revoke(self, step: Step, _org_id: str, _bucket_ids: Mapping[str, str], _out: Path) -> None:
        self._client.authorizations_api().delete_authorization(step.id)

    @contextmanager
    def _said(self, doing: str) -> Iterator[None]:
        """Any failure within says what was being done and what to do about it."""
        try:
            yield
        except ApiException as error:
            if error.status in (401, 403):
                raise SetupError(
                    f"{self._url} refused the token while {doing} ({error.status}): it must be the administrator's"
                    " (an operator or all-access token), as InfluxDB showed it at its set-up"
                ) from None
            told = failure(self._url, error.status or 0, error.body or "", error.headers or {})
            raise SetupError(f"{doing}: {told}") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SetupError(f"{doing}: {error}: is {self._url} still there?") from None


_DO: dict[Kind, Callable[[Server, Step, str, Mapping[str, str], Path], None]] = {
    Kind.RETENTION: Server._keep,
    Kind.MAPPING: Server._map,
    Kind.DEFAULT: Server._map_by_default,
    Kind.TOKEN: Server._make_token,
    Kind.FILE: Server._write,
    Kind.REVOKE: Server._revoke,
}


def read_files(out: Path) -> dict[str, str]:
    """The texts of the token files in ``out``, as far as they exist."""
    return {login.file: (out / login.file).read_text() for login in LOGINS if (out / login.file).exists()}


def _login(step: Step) -> Login:
    return next(login for login in LOGINS if login.name == step.name)


def _rules(name: str) -> BucketRetentionRules:
    return BucketRetentionRules(type="expire", every_seconds=BUCKETS[name].retention_s)


def _retention_s(bucket: Any) -> int:
    return int(bucket.retention_rules[0].every_seconds) if bucket.retention_rules else 0


def _token(one: Any) -> FoundToken:
    rights = frozenset(
        (str(right.action), str(right.resource.id or f"all {right.resource.type}")) for right in one.permissions
    )
    return FoundToken(one.id, one.description or "", one.token or None, rights, one.status != "inactive")
