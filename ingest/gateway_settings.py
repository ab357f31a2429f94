"""What the gateway must be told: which broker, who it is there, and how much it may hold before it commits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class GatewaySettings:
    """Passed in by whoever starts the gateway; nothing here is read from the environment.

    ``username`` is also the client id unless ``client_id`` says otherwise: the broker keeps the session under it, so
    it must stay the same over restarts and no other client may use it. Without ``command_username`` commands go out
    through the receiving session. ``tls`` without ``ca`` trusts the system's authorities; ``cert`` and ``key`` are a
    client certificate.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    #: Base topics of Zigbee2MQTT hubs, see :class:`telemetry.zigbee2mqtt.topics.BaseTopics`.
    zigbee_bases: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str | None = None
    command_username: str | None = None
    command_password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = field(default=None, repr=False)
    keepalive_s: float = 30.0
    connect_timeout_s: float = 5.0
    backoff_min_s: float = 0.5
    backoff_max_s: float = 5.0
    commit_interval_s: float = 0.02
    #: Received and not yet journaled: at this many bytes it is committed, and more is not read before that.
    commit_bytes: int = 1 << 20
    #: An acknowledgement of an event is worth nothing to the device after this; it has repeated the event by then.
    ack_expires_s: float = 60.0
    #: Of the journal `raw`: see :class:`journal.JournalWriter`.
    segment_bytes: int = 256 << 20
    reserve_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if not self.keepalive_s >= 1:
            raise ValueError(f"keepalive_s is {self.keepalive_s}: set 1 or more, MQTT counts whole seconds")
        if bool(self.cert) != bool(self.key):
            raise ValueError("cert and key belong together: set both, or neither for a login by password only")

    @property
    def receiver_id(self) -> str:
        """The client id of the receiving session."""
        return self.client_id or self.username or "carecircle"
