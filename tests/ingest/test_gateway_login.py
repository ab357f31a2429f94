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
    """Without the broker's authority there is no connection, and the log says so."""
    broker = start_mosquitto(tls=make_tls(tmp_path / "tls"))
    other = make_tls(tmp_path / "other")
    gateway = GatewayThread(GatewaySettings(port=broker.port, tls=True, ca=other.ca), tmp_path).start(connected=False)
    wait_until(lambda: any("CERTIFICATE_VERIFY_FAILED" in r.getMessage() for r in caplog.records))
    assert gateway.stats()["connected"] == 0
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
