"""The settings by group: what each is, which values it may have, and what it is without one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from telemetry.errors import TelemetryError
from telemetry.topics import is_device_id
from telemetry.zigbee2mqtt.topics import BaseTopics

Seconds = Annotated[float, Field(gt=0)]
ConsoleRole = Literal["responder", "coordinator", "clinician", "engineer", "administrator"]
OperatingPoint = Literal["sensitive", "balanced", "quiet"]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BrokerSettings(_Group):
    """The MQTT broker."""

    url: str = Field("mqtt://127.0.0.1:1883", description="mqtt://host:port, or mqtts:// for TLS")
    username: str | None = Field("carecircle", description="of the receiving session; also its client id")
    password: SecretStr | None = None
    password_file: Path | None = None
    command_username: str | None = Field(None, description="a separate publisher of commands, e.g. carecircle-cmd")
    command_password: SecretStr | None = None
    command_password_file: Path | None = None
    ca_file: Path | None = Field(None, description="authority that signed the broker's certificate")
    cert_file: Path | None = Field(None, description="our certificate, where the broker asks for one")
    key_file: Path | None = None
    keepalive_s: int = Field(30, ge=5, le=3600)

    @field_validator("url")
    @classmethod
    def _is_mqtt(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError("must be mqtt://host:port or mqtts://host:port")
        return url

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        """Port; 1883, with TLS 8883, unless the address names one."""
        return urlsplit(self.url).port or (8883 if self.tls else 1883)


class StoreSettings(_Group):
    """Where points are kept."""

    url: str = Field("sqlite", description="'sqlite' (embedded, in data_dir), sqlite:///path or http(s)://host:port")
    token: SecretStr | None = Field(None, description="InfluxDB token")
    token_file: Path | None = None
    org: str = "carecircle"


class AlertSettings(_Group):
    """Incidents and notifications."""

    worker: Literal["journals", "deliver"] = Field(
        "journals", description="deliver: timers and messages only, beside the process that has the journals"
    )
    step_s: Seconds = Field(30.0, description="how long a responder has before the next is called")
    repeat_s: Seconds = Field(120.0, description="after the last step, begin again this often until acknowledged")
    public_url: str = Field("", description="how responders reach the console; empty: http://127.0.0.1:<port>")
    link_key: SecretStr | None = Field(None, description="signs acknowledge links; made at the first start if absent")
    link_key_file: Path | None = None


class ReplySettings(_Group):
    """Replies of responders by text message and telephone keys. A provider without a secret is not there."""

    secret: SecretStr | None = Field(None, description="signs what any bridge posts to /replies/standard: whsec_...")
    secret_file: Path | None = None
    twilio_token: SecretStr | None = Field(None, description="Twilio's auth token; needs alerts.public_url")
    twilio_token_file: Path | None = None
    country: str = Field("CN", description="of telephone numbers without a country code (ISO 3166)")

    @field_validator("country")
    @classmethod
    def _is_a_country(cls, code: str) -> str:
        from phonenumbers import SUPPORTED_REGIONS  # all the world's numbers, for two letters

        if code not in SUPPORTED_REGIONS:
            raise ValueError(f"{code!r} is no country: give an ISO 3166 code such as CN")
        return code


class RegistrySettings(_Group):
    """What is secret in the registry."""

    key: SecretStr | None = Field(None, description="encrypts phones, door codes and channels; the newest, then older")
    key_file: Path | None = Field(None, description="the same in a file, which `carecircle registry rotate-key` writes")


class ReachSettings(_Group):
    """How long responders take to a door."""

    osrm_url: str = Field(
        "", description="server of routes, http://host:port; {profile} stands for foot, bike, car; empty: estimates"
    )

    @field_validator("osrm_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
            raise ValueError("must be http://host:port or https://host:port")
        return url


class OidcSettings(_Group):
    """Logging in to the console with the account of another organisation (OpenID Connect)."""

    issuer: str = Field("", description="the provider's address, https://login.example.org; empty: not")
    client_id: str = ""
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    label: str = Field("", description="how the button calls it; empty: its host")
    scopes: str = "openid profile email"
    role_claim: str = Field("groups", description="the claim that has groups or roles")
    roles: dict[str, ConsoleRole] = Field({}, description="which role each of them is here")
    area_claim: str = Field("", description="the claim that has areas; empty: default_areas for all")
    areas: dict[str, str] = Field({}, description="which area each of them is; none: they are dotted paths")
    default_areas: tuple[str, ...] = Field((), description="of who has none; * is everything")
    responder_claim: str = Field("", description="the claim that has the id of a responder")


class ConsoleSettings(_Group):
    """The web console."""

    host: str = Field("127.0.0.1", description="a numeric address; others than this machine only with https before it")
    port: int = Field(8080, ge=1, le=65535)
    login: bool = Field(True, description="false: no login, on this machine only, everybody may do everything")
    metrics_open: bool = Field(False, description="programs on this machine read /metrics without a token")
    host_names: tuple[str, ...] = Field((), description="further names that browsers call it by")
    trusted_proxies: tuple[str, ...] = Field(("127.0.0.1", "::1"), description="reverse proxies, by address")
    session_h: Seconds = Field(12.0, description="a login lasts so many hours")
    idle_h: Seconds = Field(2.0, description="and so many without use")
    remember_d: Seconds = Field(30.0, description="on the phone of a responder so many days")
    oidc: OidcSettings = OidcSettings()
    time_zone: str = Field(
        "Asia/Shanghai", description="of all times that people read, and of the homes' day and night"
    )

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {name!r}: give an IANA name such as Asia/Shanghai") from None
        return name


class JournalSettings(_Group):
    """The durable logs between the stages."""

    segment_bytes: int = Field(256 << 20, ge=64 << 10, description="only whole segments are dropped")
    reserve_bytes: int = Field(64 << 20, ge=0, description="given up when the disk is full, so that readers can drain")
    checkpoint_s: Seconds = Field(10.0, description="how often the processor saves its state; a large one less often")


class PlacementPoints(_Group):
    """Operating points of the fall detector by where the device is worn."""

    waist: OperatingPoint | None = None
    wrist: OperatingPoint | None = None
    hip: OperatingPoint | None = None
    pocket: OperatingPoint | None = None
    unknown: OperatingPoint | None = Field(None, description="every other placement too")


class FallSettings(_Group):
    """The fall detector."""

    weights: Path | None = Field(None, description="learned weights other than those in the package")
    operating_point: OperatingPoint = Field("balanced", description="how readily motion is called a fall")
    placements: PlacementPoints = PlacementPoints()
    shards: int = Field(1, ge=1, le=64, description="processes that look for falls; 1: the processor itself does")


class VitalsSettings(_Group):
    """Watching the vital signs of people."""

    enabled: bool = Field(True, description="find what is wrong with the vital signs of people")


class RoutineSettings(_Group):
    """Watching the routine of homes by their sensors."""

    enabled: bool = Field(True, description="find silence and unusual ways in homes with sensors")
    snapshot_s: Seconds = Field(600.0, description="how often all that is learnt of homes is written")


class DeviceSettings(_Group):
    """Looking after the devices themselves."""

    enabled: bool = Field(True, description="find silent devices, low batteries, wrong clocks ...")


class ProbeMailSettings(_Group):
    """Pages by mail, over a server that is not part of this system."""

    host: str = Field("", description="mail server; empty: no mail")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password: SecretStr | None = None
    password_file: Path | None = None
    sender: str = Field("", description="address that it comes from")
    to: tuple[str, ...] = Field((), description="list of the operators' addresses")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.host and not (self.sender and self.to):
            raise ValueError("with a host it needs sender and to as well")
        return self


class ProbeWebhookSettings(_Group):
    """Pages by the webhook of another provider."""

    url: SecretStr | None = Field(None, description="it usually holds a secret: better in url_file")
    url_file: Path | None = None
    body: str = Field('{"text": "{text}"}', description="what is posted; {text} stands for the page")


class ProbeSettings(_Group):
    """The synthetic SOS, and who is told when it does not come through."""

    device: str = Field("", description="a device of the kind `test`, its MQTT user; empty: no probe")
    password: SecretStr | None = Field(None, description="of the device, at the broker")
    password_file: Path | None = None
    listen_host: str = Field("127.0.0.1", description="where the test channel listens")
    listen_port: int = Field(8091, ge=1, le=65535)
    secret: SecretStr | None = Field(None, description="of the test channel, as in the registry")
    secret_file: Path | None = None
    every_s: Seconds = 600.0
    start_s: Seconds = Field(30.0, description="the first round after its own start")
    within_s: Seconds = Field(60.0, description="the message must have come by then")
    heartbeat_url: str = Field("", description="dead-man's switch; called when a round succeeded")
    heartbeat_method: Literal["get", "post"] = "get"
    repeat_s: Seconds = Field(3600.0, description="the operator is paged again this often while it lasts")
    mail: ProbeMailSettings = ProbeMailSettings()
    webhook: ProbeWebhookSettings = ProbeWebhookSettings()

    @field_validator("device")
    @classmethod
    def _is_a_device(cls, device: str) -> str:
        if device and not is_device_id(device):
            raise ValueError(f"{device!r} is no device id: letters, digits and _ . : -, 64 at most")
        return device


class Zigbee2MqttSettings(_Group):
    """Zigbee2MQTT hubs on the same broker."""

    base_topics: tuple[str, ...] = Field(
        (), description="`zigbee2mqtt`, or with + for any hub, `zigbee2mqtt/+`; none: their messages are not read"
    )

    @field_validator("base_topics")
    @classmethod
    def _are_topics(cls, bases: tuple[str, ...]) -> tuple[str, ...]:
        try:
            BaseTopics(bases)
        except TelemetryError as error:
            raise ValueError(error.detail) from None
        return bases
