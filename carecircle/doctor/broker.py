"""Can we log in at the broker, as whom we say? Without taking the session of a gateway that runs."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from carecircle.settings import Settings

_TIMEOUT_S = 5.0
_Result = tuple[bool, str, str, str]

#: CONNACK return codes of MQTT 3.1.1 (section 3.2.2.3), as paho names them.
_ADVICE = {
    "Bad user name or password": "Check user name and password; `carecircle setup mosquitto` makes a password file.",
    "Not authorized": "The broker knows no such user or password; `carecircle setup mosquitto` makes a password file.",
    "Client identifier not valid": "The broker refuses the client id: it must be the user name.",
}


def check_broker(settings: Settings, *, gateway_runs: bool) -> Iterator[_Result]:
    """``(ok, what, found, advice)`` for the address and for each login.

    While a gateway runs its login is not tried: a second client with its id would take its session.
    """
    broker = settings.broker
    try:
        socket.create_connection((broker.host, broker.port), timeout=_TIMEOUT_S).close()
    except OSError as error:
        advice = "Is the broker running, and is CARECIRCLE_BROKER__URL its address as seen from here?"
        yield False, "broker", f"{broker.url}: {error.strerror or error}", advice
        return
    yield True, "broker", f"{broker.url} answers", ""
    if gateway_runs:
        yield True, "broker login", f"{broker.username}: in use by the running gateway", ""
    else:
        yield _login(settings, broker.username, settings.broker_password())
    if broker.command_username is not None:
        yield _login(settings, broker.command_username, settings.command_password())


def _login(settings: Settings, username: str | None, password: str | None) -> _Result:
    broker = settings.broker
    answered = threading.Event()
    said: list[str] = []
    # clean_session=False: with True the broker would throw away what it keeps for the gateway
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=username or "carecircle", clean_session=False, manual_ack=True
    )
    if username is not None:
        client.username_pw_set(username, password)

    def connected(_client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        said.append(str(reason))
        answered.set()

    client.on_connect = connected
    what = f"broker login {username}"
    try:
        if broker.tls:
            client.tls_set(
                ca_certs=str(broker.ca_file) if broker.ca_file else None,
                certfile=str(broker.cert_file) if broker.cert_file else None,
                keyfile=str(broker.key_file) if broker.key_file else None,
            )
        client.connect(broker.host, broker.port, keepalive=30)
    except ssl.SSLError as error:
        return (
            False,
            what,
            f"TLS: {error}",
            "Check CARECIRCLE_BROKER__CA_FILE and that the certificate names this host.",
        )
    except OSError as error:
        return (
            False,
            what,
            error.strerror or str(error),
            "The connection broke off: does the port speak MQTT, with or without TLS?",
        )
    client.loop_start()
    try:
        answered.wait(_TIMEOUT_S)
    finally:
        client.disconnect()
        client.loop_stop()
    if not said:
        return (
            False,
            what,
            "no answer to CONNECT",
            "Does the port speak MQTT? Some brokers also say nothing to a wrong password.",
        )
    if said[0] != "Success":
        return False, what, said[0], _ADVICE.get(said[0], "See the broker's log.")
    return True, what, "accepted", ""
