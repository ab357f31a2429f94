"""How the gateway gets in: TLS, passwords, client certificates; and what it says when it does not."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.gateway_settings import GatewaySettings
from tests.servers.gateway import GatewayThread, wait_until
from tests.servers.mosquitto import Mosquitto, make_tls, password_line
from tests.servers.mqtt_device import MqttDevice


def test_tls_with_passwords_and_a_client_certificate(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    """Both logins go through TLS, and a burst larger than a TLS record does not get stuck in its buffer."""
    tls = make_tls(tmp_path / "tls")
    users = {"carecircle": "a secret", "carecircle-cmd": "another", "w-1": "third"}
    broker = start_mosquitto(passwords=users, tls=tls, require_client_certificate=True)
    settings = GatewaySettings(
        port=broker.port,
        username="carecircle",
        password="a secret",
        command_username="carecircle-cmd",
        command_password="another",
        tls=True,
        ca=tls.ca,
        cert=tls.client_cert,
        key=tls.client_key,
    )
    with GatewayThread(settings, tmp_path) as gateway, MqttDevice(broker.port, "w-1", password="third", tls=tls) as w1:
        w1.vitals(2_000)
        w1.publish("motion", b"\x81" * 900_000)
        w1.publish("event", '{"t":1,"boot":1,"seq":1,"type":"sos"}')
        gateway.wait("acked", 2_002)
        wait_until(lambda: w1.commands)
    assert "secret" not in repr(settings)


def test_an_unknown_authority_is_refused(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the broker's authority there is no connection under either login, and the log says so."""
    broker = start_mosquitto(tls=make_tls(tmp_path / "tls"))
    other = make_tls(tmp_path / "other")
    settings = GatewaySettings(port=broker.port, tls=True, ca=other.ca, command_username="carecircle-cmd")
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    said_by = {"ingest.mqtt.connection", "ingest.gateway_commands"}
    wait_until(lambda: said_by <= {r.name for r in caplog.records if "CERTIFICATE_VERIFY_FAILED" in r.getMessage()})
    assert gateway.stats()["connected"] == gateway.stats()["publisher_connected"] == 0
    gateway.stop()


def test_a_wrong_password_is_said_clearly_and_tried_again(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever repairs the broker's password file need not restart the gateway."""
    broker = start_mosquitto(passwords={"carecircle": "right"})
    settings = GatewaySettings(port=broker.port, username="carecircle", password="wrong", backoff_max_s=0.2)
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    gateway.wait("refused", 2)
    said = [r for r in caplog.records if "refuses user 'carecircle'" in r.getMessage()]
    assert said[0].levelno == logging.ERROR
    assert "Not authorized" in said[0].getMessage()
    (broker.directory / "passwords").write_text(password_line("carecircle", "wrong") + "\n")
    broker.reload()
    gateway.wait("subscribed", 1)
    gateway.stop()


def test_a_wrong_password_of_the_command_login_is_said_clearly_and_nothing_else_waits_for_it(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What comes is received meanwhile; answers go out as soon as the broker's password file is repaired."""
    users = {"carecircle": "a", "carecircle-cmd": "right", "w-1": "b"}
    broker = start_mosquitto(passwords=users)
    own = {"command_username": "carecircle-cmd", "command_password": "wrong"}
    settings = GatewaySettings(port=broker.port, username="carecircle", password="a", backoff_max_s=0.2, **own)
    gateway = GatewayThread(settings, tmp_path).start(connected=False)
    with MqttDevice(broker.port, "w-1", password="b") as w1:
        gateway.wait("subscribed", 1)
        w1.publish("event", '{"t":1,"boot":1,"seq":1,"type":"sos"}')
        gateway.wait("acked", 1)
        said = "refuses user 'carecircle-cmd' with client id 'carecircle-cmd': Not authorized"
        wait_until(lambda: sum(said in r.getMessage() for r in caplog.records) >= 2)
        assert any(
            "Check user name, password and ACL" in r.getMessage() for r in caplog.records if r.levelname == "ERROR"
        )
        assert (gateway.stats()["connected"], gateway.stats()["publisher_connected"], w1.commands) == (1, 0, [])
        lines = [password_line(user, "wrong" if user == "carecircle-cmd" else word) for user, word in users.items()]
        (broker.directory / "passwords").write_text("\n".join(lines) + "\n")
        broker.reload()
        wait_until(lambda: [command.seq for command in w1.commands] == [1])
        assert gateway.stats()["reconnects"] == 0
    gateway.stop()


def test_a_broker_that_is_not_there_is_waited_for(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The gateway may be started before the broker."""
    mosquitto.stop()
    gateway = GatewayThread(GatewaySettings(port=mosquitto.port, backoff_max_s=0.2), tmp_path).start(connected=False)
    mosquitto.start()
    gateway.wait("subscribed", 1)
    assert gateway.stats()["connected"]
    gateway.stop()


@pytest.mark.parametrize("wrong", [{"keepalive_s": 0.2}, {"cert": Path("client.pem")}])
def test_settings_that_cannot_work_are_refused_at_once(wrong: dict[str, object]) -> None:
    """With what to set instead."""
    with pytest.raises(ValueError, match="set "):
        dataclasses.replace(GatewaySettings(), **wrong)
