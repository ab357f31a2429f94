"""`carecircle setup grafana`: with grafana-client, against a fake that Grafana's own description watches over."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from carecircle.cli import app
from dashboards import DATASOURCE_UID, LANGUAGES, NAMES
from dashboards.push import Options, comparable, duration_s, wanted_source
from tests.servers.ports import free_port
from tests.servers.prism import Fake, Request, only_paths, specification, watched

TOKEN = "glsa_administrator"
READS = "reads-the-buckets"
_PATHS = (
    "/org", "/folders", "/folders/{folder_uid}", "/datasources", "/datasources/uid/{uid}", "/dashboards/db",
    "/dashboards/uid/{uid}", "/v1/provisioning/contact-points", "/v1/provisioning/contact-points/{UID}",
    "/v1/provisioning/folder/{FolderUID}/rule-groups/{Group}",
)  # fmt: skip


def description() -> dict[str, Any]:
    """Grafana's description with what must be mended before it describes Grafana."""
    described = only_paths(specification("grafana-openapi2.json"), {path: f"/api{path}" for path in _PATHS})
    described.pop("basePath")
    settings = {"200": {"description": "", "schema": {"type": "object", "required": ["buildInfo"]}}}
    described["paths"]["/api/frontend/settings"] = {"get": {"responses": settings, "produces": ["application/json"]}}
    rule = described["definitions"]["ProvisionedAlertRule"]["properties"]
    rule["for"] = {"type": "string"}  # it has the Go type, a number; the API takes and gives text
    for name in ("noDataState", "execErrState"):  # since Grafana 11.1
        rule[name]["enum"].append("KeepLast")
    described["definitions"]["Dashboard"] = {"type": "object"}  # some old form of it: here panels are a list
    kinds = described["definitions"]["EmbeddedContactPoint"]["properties"]["type"]
    kinds["enum"] = [kind.strip() for kind in kinds["enum"]]
    return described


class Grafana12:
    """The part of a Grafana that the set-up meets, in memory."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self.folders: dict[str, dict[str, Any]] = {}
        self.sources: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.dashboards: dict[str, dict[str, Any]] = {}
        self.contacts: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.provisioned = False

    def __call__(self, request: Request) -> tuple[int, Any]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key"}
        path = request.path.removeprefix("/api/")
        parts = path.split("/")
        if path == "frontend/settings":
            return 200, {"buildInfo": {"version": "12.2.0"}}
        if path == "org":
            return 200, {"id": 1, "name": "Main Org."}
        if parts[0] == "v1":
            parts = parts[2:]
        answer: tuple[int, Any] = getattr(self, f"_{parts[0].replace('-', '_')}")(request, parts[1:])
        return answer

    def _folders(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        if request.method == "GET":
            return 200, list(self.folders.values())
        if request.method == "POST":
            assert request.body["uid"] not in self.folders
            self.folders[request.body["uid"]] = {"id": next(self._ids), **request.body}
        else:
            self.folders[rest[0]]["title"] = request.body["title"]
        return 200, self.folders[rest[0] if rest else request.body["uid"]]

    def _datasources(self, request: Request, _rest: list[str]) -> tuple[int, Any]:
        if request.method == "GET":
            return 200, list(self.sources.values())
        body = copy.deepcopy(request.body)
        secret = body.pop("secureJsonData")
        row = self.sources[body["uid"]] = {
            "id": 1, "orgId": 1, "readOnly": self.provisioned, "database": "", "user": "", **body,
            "secureJsonFields": dict.fromkeys(secret, True),
        }  # fmt: skip
        self.secrets[body["uid"]] = secret
        return 200, {"id": 1, "name": row["name"], "message": "Datasource added", "datasource": row}

    def _dashboards(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        if request.method == "GET":
            there = self.dashboards.get(rest[1])
            return (200, there) if there else (404, {"message": "Dashboard not found"})
        body, uid = request.body["dashboard"], request.body["dashboard"]["uid"]
        assert request.body["folderUid"] in self.folders
        assert "id" not in body
        before = self.dashboards.get(uid)
        version = before["dashboard"]["version"] + 1 if before else 1
        meta = {"folderUid": request.body["folderUid"], "provisioned": self.provisioned}
        self.dashboards[uid] = {"dashboard": {**body, "id": next(self._ids), "version": version}, "meta": meta}
        return 200, {
            "status": "success", "title": body["title"], "version": version, "id": 1, "uid": uid, "url": f"/d/{uid}",
        }  # fmt: skip

    def _contact_points(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        if request.method == "GET":
            return 200, [row for row in self.contacts.values() if row["name"] == request.query["name"]]
        self.contacts[rest[0] if rest else request.body["uid"]] = {"disableResolveMessage": False, **request.body}
        return 202, request.body

    def _folder(self, request: Request, rest: list[str]) -> tuple[int, Any]:
        uid, group = rest[0], rest[2]
        if request.method == "PUT":
            assert uid in self.folders
            assert all(rule["orgID"] == 1 for rule in request.body["rules"])
            self.groups[group] = copy.deepcopy(request.body)
            for number, rule in enumerate(self.groups[group]["rules"], 1):
                minutes, seconds = divmod(duration_s(rule["for"]) or 0, 60)
                rule |= {"id": number, "for": f"{minutes}m{seconds}s", "provenance": "api"}
        there = self.groups.get(group)
        return (200, there) if there else (404, {"message": "rule group not found"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Fake]]:
    """One prism for all tests here; each puts a Grafana of its own behind it."""
    fake = Fake(Grafana12())
    with watched(description(), fake, tmp_path_factory.mktemp("prism")) as url:
        yield url, fake


@pytest.fixture
def grafana(place: tuple[str, Fake]) -> Grafana12:
    """A new Grafana."""
    fresh = Grafana12()
    place[1].handler = fresh
    place[1].requests.clear()
    return fresh


@pytest.fixture
def run(place: tuple[str, Fake], tmp_path: Path, grafana_client_folder: Path) -> Any:  # noqa: ARG001
    """The command with what it always needs; gives exit code and output."""
    for name, text in (("token", TOKEN), ("reads", READS), ("hook", "https://pages.example/hook?key=of-ours")):
        (tmp_path / name).write_text(text + "\n")

    def command(
        *arguments: str, url: str = place[0], token: str = "token", hook: bool = True, languages: str = "en"
    ) -> tuple[int, str]:
        given = ["--url", url, "--token-file", str(tmp_path / token), "--source-token-file", str(tmp_path / "reads")]
        given += ["--source-url", "http://influxdb:8086"]
        given += ["--webhook-file", str(tmp_path / "hook")] if hook else []
        given += [part for language in languages.split() for part in ("--language", language)]
        result = CliRunner().invoke(app, ["setup", "grafana", *given, *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return command


def test_an_empty_grafana_gets_everything_and_a_second_run_changes_nothing(
    place: tuple[str, Fake], grafana: Grafana12, run: Any
) -> None:
    """Folders, source with its token in a header, dashboards of both languages, rules that tell the webhook."""
    code, said = run(languages="")
    assert code == 0, said
    assert set(grafana.dashboards) == {f"carecircle-{name}-{language}" for name in NAMES for language in LANGUAGES}
    assert {row["meta"]["folderUid"] for row in grafana.dashboards.values()} == {"carecircle-en", "carecircle-zh"}
    assert grafana.secrets == {DATASOURCE_UID: {"httpHeaderValue1": f"Token {READS}"}}
    rules = [rule for group in grafana.groups.values() for rule in group["rules"]]
    assert {rule["notification_settings"]["receiver"] for rule in rules} == {"CareCircle"}
    assert [row["settings"]["url"] for row in grafana.contacts.values()] == ["https://pages.example/hook?key=of-ours"]
    assert not any(secret in said for secret in (TOKEN, READS, "of-ours"))

    place[1].requests.clear()
    code, said = run(languages="")
    assert (code, place[1].changes) == (0, []), said
    assert "changed " not in said.replace("unchanged", "")


def test_a_dry_run_changes_nothing(place: tuple[str, Fake], grafana: Grafana12, run: Any) -> None:
    """It says what would be new."""
    code, said = run("--dry-run")
    assert (code, place[1].changes, grafana.folders) == (0, [], {}), said
    assert said.count("new  dashboard") == len(NAMES)


def test_a_dashboard_that_somebody_changed_is_shown_line_by_line_and_gets_a_new_version(
    place: tuple[str, Fake], grafana: Grafana12, run: Any
) -> None:
    """Only that one; Grafana keeps the version before."""
    run()
    body = grafana.dashboards["carecircle-ward-en"]["dashboard"]
    ours = body["title"]
    body["title"] = "Somebody's"
    place[1].requests.clear()
    code, said = run("--diff", "--dry-run")
    assert (code, place[1].changes) == (0, [])
    assert '- "title": "Somebody\'s"' in said
    assert f'+ "title": "{ours}"' in said
    code, said = run()
    assert place[1].changes == ["POST /api/dashboards/db"]
    assert f"changed  dashboard {ours}, version 2" in said


def test_a_changed_rule_or_token_or_webhook_is_noticed(
    place: tuple[str, Fake], grafana: Grafana12, run: Any, tmp_path: Path
) -> None:
    """Grafana gives no token back: its hash beside it tells."""
    run()
    next(iter(grafana.groups.values()))["rules"][0]["for"] = "9h"
    (tmp_path / "reads").write_text("another")
    (tmp_path / "hook").write_text("https://pages.example/other")
    place[1].requests.clear()
    code, said = run()
    assert code == 0
    (group,) = grafana.groups
    assert place[1].changes == [
        f"PUT /api/datasources/uid/{DATASOURCE_UID}",
        "PUT /api/v1/provisioning/contact-points/carecircle-webhook",
        f"PUT /api/v1/provisioning/folder/carecircle-en/rule-groups/{group}",
    ], said
    assert grafana.secrets[DATASOURCE_UID] == {"httpHeaderValue1": "Token another"}


def test_one_language_and_no_webhook_are_enough(grafana: Grafana12, run: Any) -> None:
    """Then Grafana's own policy says who is told."""
    code, said = run(languages="zh", hook=False)
    assert code == 0, said
    assert set(grafana.dashboards) == {f"carecircle-{name}-zh" for name in NAMES}
    assert (grafana.contacts, set(grafana.folders)) == ({}, {"carecircle-en", "carecircle-zh"})
    assert all("notification_settings" not in rule for rule in next(iter(grafana.groups.values()))["rules"])
    assert run(languages="fr")[0] == 2


@pytest.mark.parametrize(
    ("table", "row", "said"),
    [
        ("folders", {"uid": "theirs", "id": 9, "title": "CareCircle"}, "there is a folder 'CareCircle' already"),
        ("sources", {"uid": "theirs", "id": 9, "name": "CareCircle"}, "there is a data source 'CareCircle' already"),
        (
            "contacts",
            {"uid": "theirs", "name": "CareCircle", "type": "email", "settings": {}},
            "there is a contact point 'CareCircle' already",
        ),
    ],
    ids=["folder", "source", "contact"],
)
def test_a_name_that_somebody_else_has_is_said_before_anything_is_changed(
    place: tuple[str, Fake], grafana: Grafana12, run: Any, table: str, row: dict[str, Any], said: str
) -> None:
    """Theirs is left alone."""
    getattr(grafana, table)["theirs"] = row
    code, output = run()
    assert (code, said in " ".join(output.split()), place[1].changes) == (2, True, []), output


def test_what_comes_from_files_is_left_to_them(place: tuple[str, Fake], grafana: Grafana12, run: Any) -> None:
    """Our compose stack's Grafana: changed through the API it would be changed back."""
    grafana.provisioned = True
    run()
    place[1].requests.clear()
    code, said = run()
    assert (code, "comes from a file of that Grafana" in " ".join(said.split()), place[1].changes) == (2, True, [])


def test_a_wrong_token_and_nobody_there_are_said(grafana: Grafana12, run: Any, tmp_path: Path) -> None:  # noqa: ARG001
    """Without a traceback, and without the token."""
    (tmp_path / "wrong").write_text("glsa_wrong")
    code, said = run(token="wrong")
    assert (code, "service account with the role Admin" in " ".join(said.split())) == (2, True), said
    assert "glsa_wrong" not in said
    code, said = run(url=f"http://127.0.0.1:{free_port()}")
    assert (code, "does not answer" in said) == (2, True), said


def test_prism_lets_nothing_through_that_grafana_would_not_take(place: tuple[str, Fake], grafana: Grafana12) -> None:
    """The proof that the tests above mean something."""
    api, headers = f"{place[0]}/api", {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.post(f"{api}/folders", json={"title": 5}, headers=headers).status_code == 422
    group = f"{api}/v1/provisioning/folder/carecircle-en/rule-groups/one"
    assert httpx.put(group, json={"title": "one", "rules": [{"title": "x"}]}, headers=headers).status_code == 422
    assert httpx.get(f"{api}/folders").status_code == 401
    assert (place[1].requests, grafana.folders) == ([], {})


def test_grafana_client_leaves_urllib3_to_influxdb_client(grafana_client_folder: Path) -> None:
    """In one process with it, installed as the message says that tells users how."""
    code = (
        f"import sys; sys.path.append({str(grafana_client_folder)!r}); import grafana_client, urllib3, influxdb_client;"
        "print(urllib3.__version__, 'urllib3_future' in sys.modules, urllib3.__file__)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout
    version, has_own, path = said.split()
    assert (int(version.split(".")[2]) < 900, has_own) == (True, "True"), "theirs counts from 900"
    assert str(grafana_client_folder) not in path


def test_without_grafana_client_it_says_how_to_install_it(tmp_path: Path) -> None:
    """In a process that has none."""
    (tmp_path / "token").write_text("x")
    arguments = ["--url", "http://127.0.0.1:9", "--source-url", "http://127.0.0.1:9"]
    arguments += ["--token-file", str(tmp_path / "token"), "--source-token-file", str(tmp_path / "token")]
    command = [sys.executable, "-m", "carecircle", "setup", "grafana", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "URLLIB3_NO_OVERRIDE=1 pip install" in done.stderr


def test_file_provisioning_gives_the_same_source_as_the_api() -> None:
    """But for the hash of the token."""
    path = Path(__file__).parents[2] / "deploy/grafana/datasources/carecircle.yaml"
    (source,) = yaml.safe_load(path.read_text())["datasources"]
    wanted = wanted_source(Options("http://influxdb:8086", READS))
    wanted["jsonData"].pop("carecircleToken")
    assert comparable(wanted, source) == wanted
    assert source["jsonData"] == wanted["jsonData"]


def test_durations_that_last_equally_long_are_equal() -> None:
    """120s and 2m0s."""
    assert comparable({"for": "120s", "x": "5m"}, {"for": "2m0s", "x": "6m", "more": 1}) == {"for": "120s", "x": "6m"}
    assert [duration_s(text) for text in ("1h30m", "0s", "soon", "")] == [5400, 0, None, None]
