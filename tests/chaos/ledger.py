"""What the two links saw: what devices sent and the broker took, what the broker delivered and the gateway took."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field

from tests.chaos.exchange import Exchange


def digest_of(topic: bytes, payload: bytes) -> bytes:
    """What names a message by its bytes alone."""
    return hashlib.blake2b(b"%d %b%b" % (len(topic), topic, payload), digest_size=16).digest()


@dataclass(slots=True)
class Passed:
    """A message that passed: when first, and when it was acknowledged last (epoch ms)."""

    topic: bytes
    payload: bytes
    first_ms: int
    acked_ms: int | None = None


@dataclass(slots=True)
class Connection:
    """One connection, by the monotonic clock: when it was opened, when the first PUBACK that counts passed."""

    opened_s: float
    first_ack_s: float | None = None


@dataclass(slots=True)
class Ledger:
    """All that passed over one link in the direction that counts.

    ``by_client``: the clients are the publishers (the devices' link); else they are who acknowledges (the gateway's).
    ``newest`` is the digest of what was acknowledged last, by device; ``acks`` counts acknowledgements.
    """

    by_client: bool
    messages: dict[bytes, Passed] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    newest: dict[bytes, bytes] = field(default_factory=dict)
    acks: int = 0
    repeated: int = 0  # PUBLISH packets of a message that had passed before

    def watch(self) -> Exchange:
        """What a :class:`tests.chaos.proxy.Proxy` shows a new connection to."""
        connection = Connection(time.monotonic())
        self.connections.append(connection)

        def published(client: bool, topic: bytes, payload: bytes) -> None:
            if client is not self.by_client:
                return
            digest = digest_of(topic, payload)
            if digest in self.messages:
                self.repeated += 1
            else:
                self.messages[digest] = Passed(topic, payload, time.time_ns() // 1_000_000)

        def acked(client: bool, topic: bytes, payload: bytes) -> None:
            if client is not self.by_client:
                return
            digest = digest_of(topic, payload)
            self.messages[digest].acked_ms = time.time_ns() // 1_000_000
            self.newest[topic.split(b"/")[2]] = digest
            self.acks += 1
            if connection.first_ack_s is None:
                connection.first_ack_s = time.monotonic()

        return Exchange(published, acked)

    def acked(self) -> dict[bytes, int]:
        """Digest -> when, of what was acknowledged."""
        return {digest: one.acked_ms for digest, one in list(self.messages.items()) if one.acked_ms is not None}

    def first_ack_since(self, since_s: float) -> float | None:
        """When the first PUBACK passed on a connection that was opened after ``since_s``; both monotonic."""
        acks = [one.first_ack_s for one in list(self.connections) if one.opened_s >= since_s and one.first_ack_s]
        return min(acks, default=None)
