"""What passed over a connection is known from its bytes, in both versions of MQTT and however they are cut up."""

from __future__ import annotations

import pytest

from tests.chaos.exchange import Exchange, ExchangeError

_CONNECT = {
    4: b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03gat",
    5: b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03gat",
}
_TOPIC = b"care/v1/wrist-1/motion"
#: A property of two bytes (payload format indicator) in front of the payload.
_PROPERTIES = b"\x02\x01\x01"


def publish(version: int, packet_id: int, payload: bytes, *, qos: int = 1, topic: bytes = _TOPIC) -> bytes:
    """A PUBLISH packet."""
    body = len(topic).to_bytes(2, "big") + topic
    body += packet_id.to_bytes(2, "big") if qos else b""
    body += (_PROPERTIES if version == 5 else b"") + payload
    size = bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) if len(body) > 127 else bytes([len(body)])
    return bytes([0x30 | qos << 1]) + size + body


def puback(packet_id: int, rest: bytes = b"") -> bytes:
    """A PUBACK packet; ``rest`` is reason code and properties."""
    return bytes([0x40, 2 + len(rest)]) + packet_id.to_bytes(2, "big") + rest


class Heard:
    """What an exchange tells."""

    def __init__(self) -> None:
        self.published: list[tuple[bool, bytes]] = []
        self.acked: list[tuple[bool, bytes]] = []
        self.exchange = Exchange(
            lambda client, _topic, payload: self.published.append((client, payload)),
            lambda client, _topic, payload: self.acked.append((client, payload)),
        )


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("piece", [1, 3, 10_000])
def test_what_is_acknowledged_is_told_for_both_directions(version: int, piece: int) -> None:
    """Long and short messages, both ways, in pieces that end anywhere; what has no answer yet is not acknowledged."""
    heard = Heard()
    long = b"x" * 300
    streams = {
        True: _CONNECT[version]
        + publish(version, 1, b"up")
        + publish(version, 2, b"no answer")
        + puback(1)
        + puback(9),
        False: b"\x20\x02\x00\x00" + publish(version, 1, b"down") + publish(version, 9, long) + b"\xd0\x00" + puback(1),
    }
    # the client's CONNECT comes first, its PUBACKs come when the messages have
    order = [(True, streams[True][:-8]), (False, streams[False]), (True, streams[True][-8:])]
    for from_client, stream in order:
        for at in range(0, len(stream), piece):
            heard.exchange.feed(stream[at : at + piece], from_client=from_client)
    assert heard.exchange.version == version
    assert heard.published == [(True, b"up"), (True, b"no answer"), (False, b"down"), (False, long)]
    assert heard.acked == [(True, b"up"), (False, b"down"), (False, long)]


def test_a_refusal_is_no_acknowledgement_and_a_reason_of_success_is_one() -> None:
    """MQTT 5: 0x10 (no subscriber) is success, 0x87 (not authorised) is not."""
    heard = Heard()
    heard.exchange.feed(_CONNECT[5] + publish(5, 1, b"one") + publish(5, 2, b"two"), from_client=True)
    heard.exchange.feed(puback(1, b"\x10\x00") + puback(2, b"\x87\x00"), from_client=False)
    assert heard.acked == [(True, b"one")]


def test_qos_0_is_never_acknowledged_and_a_packet_id_is_used_again() -> None:
    """The second message under an id is the one that the second PUBACK is for."""
    heard = Heard()
    heard.exchange.feed(_CONNECT[4] + publish(4, 0, b"qos 0", qos=0) + publish(4, 1, b"first"), from_client=True)
    heard.exchange.feed(puback(1), from_client=False)
    heard.exchange.feed(publish(4, 1, b"second"), from_client=True)
    heard.exchange.feed(puback(1) + puback(1), from_client=False)
    assert heard.published == [(True, b"qos 0"), (True, b"first"), (True, b"second")]
    assert heard.acked == [(True, b"first"), (True, b"second")]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_CONNECT[5] + publish(5, 1, b"x", topic=b""), id="topic alias"),
        pytest.param(b"\x10\xff\xff\xff\xff\x01", id="length of five bytes"),
        pytest.param(publish(4, 1, b"x"), id="no CONNECT"),
    ],
)
def test_what_cannot_be_followed_is_an_error_and_not_a_guess(data: bytes) -> None:
    """A wrong guess would acknowledge what was not."""
    with pytest.raises(ExchangeError):
        Heard().exchange.feed(data, from_client=True)
