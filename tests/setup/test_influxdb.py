"""`carecircle setup influxdb`: against a fake that InfluxDB's own description watches over, and a real 1.6.7."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from carecircle.cli import app
from carecircle.setup_influxdb import LOGINS
from store.schema import BUCKETS
from tests.servers.influxdb import InfluxServer
from tests.servers.ports import free_port
from tests.servers.prism import Fake, Request, only_paths, specification, watched

ADMIN = "the administrator's"
_API = "/api/v2"
_PATHS = (
    "/setup", "/orgs", "/buckets", "/buckets/{bucketID}", "/authorizations", "/authorizations/{authID}", "/dbrps",
    "/dbrps/{dbrpID}",
)  # fmt: skip


class Influx2:
    """The part of an InfluxDB 2 that the set-up meets, in memory."""

    def __init__(self) -> None:
        self._ids = (f"{number:016x}" for number in itertools.count(1))
        self.set_up = False
        self.shows_tokens = True
        self.orgs: dict[str, dict[str, Any]] = {}
        self.buckets: dict[str, dict[str, Any]] = {}
        self.dbrps: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}

    def __call__(self, request: Request) -> tuple[int, Any]:
        if request.path == "/ping":
            return 204, None
        path = request.path.removeprefix(_API)
        kind, _, one = path.strip("/").partition("/")
        if kind == "setup":
            return self._setup(request)
        if request.headers.get("authorization") != f"Token {ADMIN}":
            return 401, {"code": "unauthorized", "message": "unauthorized access"}
        answer: tuple[int, Any] = getattr(self, f"_{request.method.lower()}_{kind}")(request, one)
        return answer

    def _setup(self, request: Request) -> tuple[int, Any]:
        if request.method == "GET":
            return 200, {"allowed": not self.set_up}
        asked = request.body
        assert len(asked["password"]) >= 8, "2.x takes no shorter one"
        self.set_up, self.first = True, asked
        org = self._new(self.orgs, name=asked["org"])
        rules = [{"type": "expire", "everySeconds": asked["retentionPeriodSeconds"]}]
        bucket = self._new(self.buckets, name=asked["bucket"], orgID=org["id"], retentionRules=rules)
        auth = {"orgID": org["id"], "permissions": [{"action": "read", "resource": {"type": "buckets"}}]}
        return 201, {"org": org, "bucket": bucket, "auth": auth}

    def _new(self, table: dict[str, dict[str, Any]], **row: Any) -> dict[str, Any]:
        row = {"id": next(self._ids), **row}
        table[row["id"]] = row
        return row

    def _get_orgs(self, _request: Request, _one: str) -> tuple[int, Any]:
        return 200, {"orgs": list(self.orgs.values())}

    def _post_orgs(self, request: Request, _one: str) -> tuple[int, Any]:
        return 201, self._new(self.orgs, name=request.body["name"])

    def _get_buckets(self, request: Request, _one: str) -> tuple[int, Any]:
        assert request.query["orgID"] in self.orgs
        return 200, {"links": {"self": f"http://influxdb{request.path}"}, "buckets": list(self.buckets.values())}

    def _post_buckets(self, request: Request, _one: str) -> tuple[int, Any]:
        assert request.body["name"] not in {bucket["name"] for bucket in self.buckets.values()}
        return 201, self._new(self.buckets, **request.body)

    def _patch_buckets(self, request: Request, one: str) -> tuple[int, Any]:
        self.buckets[one].update(request.body)
        return 200, self.buckets[one]

    def _get_dbrps(self, request: Request, _one: str) -> tuple[int, Any]:
        assert request.query["orgID"] in self.orgs
        return 200, {"content": list(self.dbrps.values())}

    def _post_dbrps(self, request: Request, _one: str) -> tuple[int, Any]:
        assert request.body["bucketID"] in self.buckets
        for row in [row for row in self.dbrps.values() if row.get("virtual")]:
            if row["bucketID"] == request.body["bucketID"]:
                del self.dbrps[row["id"]]
        return 201, self._new(self.dbrps, **request.body)

    def _patch_dbrps(self, request: Request, one: str) -> tuple[int, Any]:
        self.dbrps[one].update(request.body)
        return 200, {"content": self.dbrps[one]}

    def _get_authorizations(self, _request: Request, _one: str) -> tuple[int, Any]:
        hidden = {} if self.shows_tokens else {"token": ""}
        return 200, {"authorizations": [{**row, **hidden} for row in self.tokens.values()]}

    def _post_authorizations(self, request: Request, _one: str) -> tuple[int, Any]:
        number = len(self.tokens) + 1
        return 201, self._new(self.tokens, token=f"token-{number}", **request.body)

    def _delete_authorizations(self, _request: Request, one: str) -> tuple[int, Any]:
        del self.tokens[one]
        return 204, None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Fake]]:
    """One prism for all tests here; each puts a server of its own behind it."""
    described = specification("influxdb2-oss-openapi.json")
    few = only_paths(described, {path: f"{_API}{path}" for path in _PATHS} | {"/ping": "/ping"})
    # the description has an integer, every server sends v2.7.11
    version = few["paths"]["/ping"]["get"]["responses"]["204"]["headers"]["X-Influxdb-Version"]
    version["schema"]["type"] = "string"
    fake = Fake(Influx2(), headers={"X-Influxdb-Version": "v2.7.11", "X-Influxdb-Build": "OSS"})
    with watched(few, fake, tmp_path_factory.mktemp("prism")) as url:
        yield url, fake


@pytest.fixture
def influx2(place: tuple[str, Fake]) -> Influx2:
    """A new server."""
    fresh = Influx2()
    place[1].handler = fresh
    place[1].requests.clear()
    return fresh


@pytest.fixture
def run(place: tuple[str, Fake], tmp_path: Path) -> Any:
    """The command with what it always needs; gives exit code and output."""
    (tmp_path / "admin.token").write_text(ADMIN + "\n")
    (tmp_path / "admin.password").write_text("a long password\n")

    def command(*arguments: str, url: str = place[0], token: str = "admin.token") -> tuple[int, str]:
        given = ["--url", url, "--out", str(tmp_path / "tokens"), "--token-file", str(tmp_path / token)]
        given += ["--password-file", str(tmp_path / "admin.password")]
        result = CliRunner().invoke(app, ["setup", "influxdb", *given, *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, " ".join(result.output.split())

    return command


def tokens_in(folder: Path) -> dict[str, str]:
    tokens = folder / "tokens"
    return {path.relative_to(tokens).as_posix(): path.read_text() for path in sorted(tokens.glob("*/*"))}


def test_a_new_server_is_set_up_and_a_second_run_changes_nothing(
    place: tuple[str, Fake], influx2: Influx2, run: Any, tmp_path: Path
) -> None:
    """First user, organisation, four buckets, mappings and three tokens; then nothing but looking."""
    code, said = run()
    assert code == 0, said
    assert influx2.first["token"] == ADMIN
    kept = {bucket["name"]: bucket["retentionRules"][0]["everySeconds"] for bucket in influx2.buckets.values()}
    assert kept == {name: bucket.retention_s for name, bucket in BUCKETS.items()}
    mapped = {row["database"]: (row["bucketID"], row["default"]) for row in influx2.dbrps.values()}
    assert mapped == {bucket["name"]: (bucket["id"], True) for bucket in influx2.buckets.values()}
    files = tokens_in(tmp_path)
    assert {row["token"] for row in influx2.tokens.values()} == set(files.values())
    assert {oct((tmp_path / "tokens" / name).stat().st_mode & 0o777) for name in files} == {"0o600"}
    assert not any(secret in said for secret in (ADMIN, "a long password", *files.values()))

    place[1].requests.clear()
    code, said = run()
    assert (code, place[1].changes) == (0, []), said
    assert "nothing to change" in said
    assert tokens_in(tmp_path) == files


def test_each_token_may_do_no_more_than_its_holder_needs(influx2: Influx2, run: Any) -> None:
    """The writer writes and reads the four buckets, the others read them; nobody has anything else."""
    run()
    ids = {bucket["id"] for bucket in influx2.buckets.values()}
    rights = {
        row["description"]: {(right["action"], right["resource"]["id"]) for right in row["permissions"]}
        for row in influx2.tokens.values()
    }
    reads = {("read", one) for one in ids}
    assert rights == {
        "carecircle writer": reads | {("write", one) for one in ids},
        "carecircle reader": reads,
        "carecircle grafana": reads,
    }
    kinds = {right["resource"]["type"] for row in influx2.tokens.values() for right in row["permissions"]}
    assert kinds == {"buckets"}


@pytest.mark.parametrize("new", [True, False], ids=["a new server", "one with another organisation"])
def test_a_dry_run_says_what_would_change_and_changes_nothing(
    place: tuple[str, Fake], influx2: Influx2, run: Any, tmp_path: Path, new: bool
) -> None:
    """Neither there nor here."""
    influx2.set_up = not new
    code, said = run("--dry-run")
    assert (code, place[1].changes, (tmp_path / "tokens").exists()) == (0, [], False), said
    assert ("would set up a new server" in said) is new
    assert "would make bucket telem_1h, kept for 3650 days" in said
    assert said.count("would make a token") == len(LOGINS)


def test_what_the_server_maps_by_itself_is_left_to_it(place: tuple[str, Fake], influx2: Influx2, run: Any) -> None:
    """2.x since 2.1 has virtual mappings for buckets without a slash."""
    run()
    for mapping in influx2.dbrps.values():
        mapping["virtual"] = True
    place[1].requests.clear()
    code, said = run()
    assert (code, place[1].changes) == (0, []), said


def test_a_bucket_that_keeps_too_long_is_shortened_only_when_told_so(influx2: Influx2, run: Any) -> None:
    """That deletes points. One that keeps too short is lengthened at once."""
    run()
    by_name = {bucket["name"]: bucket for bucket in influx2.buckets.values()}
    by_name["telem"]["retentionRules"] = []  # for ever
    by_name["telem_1m"]["retentionRules"] = [{"type": "expire", "everySeconds": 3600}]
    code, said = run()
    assert code == 2
    assert "bucket telem keeps for ever, it should for 90 days" in said
    assert "--shorten" in said
    assert by_name["telem_1m"]["retentionRules"][0]["everySeconds"] == 3600, "refused as a whole"
    code, said = run("--shorten")
    assert code == 0, said
    assert by_name["telem"]["retentionRules"][0]["everySeconds"] == BUCKETS["telem"].retention_s
    assert by_name["telem_1m"]["retentionRules"][0]["everySeconds"] == BUCKETS["telem_1m"].retention_s


def test_a_renewed_token_is_in_its_file_before_the_old_one_is_revoked(
    place: tuple[str, Fake], influx2: Influx2, run: Any, tmp_path: Path
) -> None:
    """The other logins keep theirs."""
    run()
    before = tokens_in(tmp_path)
    place[1].requests.clear()
    code, said = run("--renew", "grafana")
    assert code == 0, said
    assert [change.split("/")[0] for change in place[1].changes] == ["POST ", "DELETE "]
    after = tokens_in(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"grafana/influxdb.token"}
    assert after["grafana/influxdb.token"] in {row["token"] for row in influx2.tokens.values()}
    assert before["grafana/influxdb.token"] not in {row["token"] for row in influx2.tokens.values()}


def test_a_lost_token_file_is_written_again_or_made_anew(influx2: Influx2, run: Any, tmp_path: Path) -> None:
    """From what the server shows; from a server that shows none there is a new token."""
    run()
    path = tmp_path / "tokens" / "reader" / "influxdb.token"
    before = path.read_text()
    path.unlink()
    run()
    assert (path.read_text(), len(influx2.tokens)) == (before, 3)
    influx2.shows_tokens = False
    run()
    assert len(influx2.tokens) == 3, "the file is there, that is enough"
    path.unlink()
    run()
    assert len(influx2.tokens) == 4
    assert path.read_text() == "token-4"


def test_a_token_that_may_too_much_is_replaced(influx2: Influx2, run: Any, tmp_path: Path) -> None:
    """Somebody has widened it."""
    run()
    reader = next(row for row in influx2.tokens.values() if row["description"] == "carecircle reader")
    reader["permissions"].append({"action": "write", "resource": {"type": "buckets"}})
    code, said = run()
    assert code == 0
    assert "revoke the old token of reader" in said
    assert reader["id"] not in influx2.tokens
    assert tokens_in(tmp_path)["reader/influxdb.token"] != reader["token"]


def test_a_database_name_that_stands_for_another_bucket_is_refused(influx2: Influx2, run: Any) -> None:
    """InfluxQL would read somebody else's points."""
    run()
    row = next(row for row in influx2.dbrps.values() if row["database"] == "telem")
    row["bucketID"] = "00000000000000ff"
    code, said = run()
    assert code == 2
    assert f"influx v1 dbrp delete --id {row['id']}" in said


def test_a_wrong_token_says_whose_it_must_be(influx2: Influx2, run: Any, tmp_path: Path) -> None:
    """Without showing it."""
    influx2.set_up = True
    (tmp_path / "other").write_text("somebody-elses")
    code, said = run(token="other")
    assert code == 2
    assert "it must be the administrator's" in said
    assert "somebody-elses" not in said


def test_nobody_at_the_address_is_said(run: Any) -> None:
    """At once."""
    code, said = run(url=f"http://127.0.0.1:{free_port()}")
    assert code == 2
    assert "does not answer" in said


def test_a_real_1_x_is_refused_with_what_to_do(influx_server: InfluxServer, run: Any) -> None:
    """The statements for it work there."""
    influx_server.start()
    code, said = run(url=influx_server.url)
    assert code == 2
    assert "is InfluxDB 1.6" in said
    statements = said.split("influx -execute '")[1].split("'")[0]
    assert statements.count("CREATE DATABASE") == len(BUCKETS)
    influx_server.query(statements.replace('"telem', '"set_up_telem'))
    for name in BUCKETS:
        (policies,) = influx_server.query(f"SHOW RETENTION POLICIES ON set_up_{name}")
        assert policies["series"][0]["values"][0][1] == f"{BUCKETS[name].retention_s // 3600}h0m0s"
        influx_server.drop_bucket(f"set_up_{name}")


@pytest.mark.usefixtures("influx2")
def test_prism_lets_nothing_through_that_influxdb_would_not_take(place: tuple[str, Fake]) -> None:
    """The proof that the tests above mean something."""
    url = f"{place[0]}{_API}"
    headers = {"Authorization": f"Token {ADMIN}"}
    assert httpx.post(f"{url}/buckets", json={"orgID": "1"}, headers=headers).status_code == 422, "no name"
    wrong = {"orgID": "1", "permissions": [{"action": "own", "resource": {"type": "buckets"}}]}
    assert httpx.post(f"{url}/authorizations", json=wrong, headers=headers).status_code == 422, "no such action"
    assert httpx.get(f"{url}/orgs").status_code == 401, "no token"
    assert place[1].requests == []
