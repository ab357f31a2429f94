"""A link that is cut, mended and slowed down, with a real broker behind it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.chaos.ledger import Ledger, digest_of
from tests.chaos.proxy import Proxy
from tests.e2e.system import wait_until
from tests.servers.mosquitto import Mosquitto
from tests.servers.mqtt_device import MqttDevice
from tests.servers.ports import free_port


class Nobody:
    """Looks at nothing."""

    def feed(self, data: bytes, *, from_client: bool) -> None:
        """Some more."""


class Seen:
    """Bytes of both directions, in their order."""

    def __init__(self) -> None:
        self.data = {True: b"", False: b""}

    def feed(self, data: bytes, *, from_client: bool) -> None:
        """Some more."""
        self.data[from_client] += data


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    def serve() -> None:
        while True:
            try:
                one, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(one,), daemon=True).start()

    def answer(one: socket.socket) -> None:
        with one:
            while data := one.recv(65536):
                one.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def receive(one: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, fewer when the connection ends."""
    data = b""
    while len(data) < size and (more := one.recv(size - len(data))):
        data += more
    return data


def test_everything_passes_both_ways_and_is_seen(echo: int) -> None:
    """A megabyte there and back, a slow part in the middle, in its order."""
    seen = Seen()
    sent = b"".join(n.to_bytes(4, "big") for n in range(1 << 18))
    with Proxy(echo, lambda: seen) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(20)
        for start in range(0, len(sent), 1 << 18):
            proxy.slow(0.05 if start == 1 << 18 else 0.0)
            client.sendall(sent[start : start + (1 << 18)])
            assert receive(client, 1 << 18) == sent[start : start + (1 << 18)]
        assert seen.data == {True: sent, False: sent}
        assert not proxy.problem


def test_a_slow_link_delays_each_way_and_a_fast_one_again_keeps_the_order(echo: int) -> None:
    """What was sent while it was slow arrives first, although the link is fast by then."""
    with Proxy(echo, Seen) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(20)
        client.sendall(b"a")
        assert receive(client, 1) == b"a"
        proxy.slow(0.3)
        began_s = time.monotonic()
        client.sendall(b"b")
        time.sleep(0.1)
        proxy.slow(0.0)
        client.sendall(b"c")
        assert receive(client, 2) == b"bc"
        assert time.monotonic() - began_s >= 0.3


def test_a_cut_link_ends_every_connection_and_takes_none_until_it_is_mended(echo: int) -> None:
    """Those inside see their connection end, those who come meanwhile too."""
    with Proxy(echo, Seen) as proxy:

        def works() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
                    client.sendall(b"x")
                    return receive(client, 1) == b"x"
            except OSError:
                return False

        with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client:
            client.sendall(b"x")
            assert receive(client, 1) == b"x"
            proxy.cut()
            with suppress(ConnectionError):
                assert receive(client, 1) == b""
        assert not works()
        proxy.mend()
        wait_until(works, 5, "the link is mended")


def test_who_stops_reading_behind_it_stops_the_sender_in_front_of_it() -> None:
    """Else the proxy would hold for the gateway what the broker has to hold."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        Proxy(server.getsockname()[1], Nobody) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as client,
    ):
        server.settimeout(5)
        held, _ = server.accept()
        client.settimeout(2)

        def pour() -> None:
            for _ in range(1024):
                client.send(bytes(1 << 16))

        with held, pytest.raises(TimeoutError):
            pour()


def test_nobody_behind_it_is_a_connection_that_ends() -> None:
    """As while the broker is away."""
    with (
        Proxy(free_port(), Seen) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client,
        suppress(ConnectionError),
    ):
        assert client.recv(1) == b""


@pytest.mark.parametrize("by_client", [True, False], ids=["devices", "gateway"])
def test_the_ledger_of_a_real_link_has_what_was_acknowledged_its_way(mosquitto: Mosquitto, by_client: bool) -> None:
    """A device publishes three messages and is sent the third: of that one each side acknowledges its own."""
    ledger = Ledger(by_client=by_client)
    sent = [("vitals", b"one"), ("vitals", b"two"), ("cmd", b'{"id":"c","type":"ack"}')]
    digests = [digest_of(f"care/v1/wrist-1/{stream}".encode(), payload) for stream, payload in sent]
    expected = digests if by_client else digests[2:]
    with Proxy(mosquitto.port, ledger.watch) as proxy:
        began_s = time.monotonic()
        with MqttDevice(proxy.port, "wrist-1") as device:
            for stream, payload in sent:
                device.publish(stream, payload)
            device.flush()
            wait_until(lambda: len(device.received) == 1, 10, "the command has come back")
            wait_until(lambda: ledger.acks >= len(expected), 10, "all is acknowledged")
        assert set(ledger.acked()) == set(ledger.messages) == set(expected)
        assert ledger.newest == {b"wrist-1": digests[2]}
        assert (ledger.acks, ledger.repeated) == (len(expected), 0)
        assert ledger.first_ack_since(began_s) is not None
        assert ledger.first_ack_since(time.monotonic()) is None
        assert not proxy.problem
