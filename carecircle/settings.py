"""Every setting, from a TOML file and from environment variables ``CARECIRCLE_<GROUP>__<NAME>``.

The environment wins over the file. A secret may be given as ``..._file``, the path of a file that holds it.
"""

from __future__ import annotations

import os
import re
import secrets
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from registry.errors import BadKeyError
from registry.keys import Keys
from telemetry.errors import TelemetryError
from telemetry.topics import is_device_id
from telemetry.zigbee2mqtt.topics import BaseTopics

#: Names the settings file where no ``--settings`` does.
FILE_VARIABLE = "CARECIRCLE_SETTINGS"

Seconds = Annotated[float, Field(gt=0)]
ConsoleRole = Literal["responder", "coordinator", "clinician", "engineer", "administrator"]
OperatingPoint = Literal["sensitive", "balanced", "quiet"]


class Role(StrEnum):
    """A process of the system; the order is the way of the data."""

    GATEWAY = "gateway"
    PROCESSOR = "processor"
    WRITER = "writer"
    ALERTS = "alerts"
    CONSOLE = "console"
    PROBE = "probe"


class SettingsError(ValueError):
    """A setting is wrong; the text names it, what is wrong and where it can be set."""


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


class Settings(BaseSettings):
    """All settings of a running system."""

    model_config = SettingsConfigDict(env_prefix="CARECIRCLE_", env_nested_delimiter="__", extra="ignore")

    data_dir: Path = Field(Path("var/carecircle"), description="journals, state, embedded databases")
    database_url: str = Field("", description="registry and incidents; empty: SQLite in data_dir")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    broker: BrokerSettings = BrokerSettings()
    store: StoreSettings = StoreSettings()
    alerts: AlertSettings = AlertSettings()
    console: ConsoleSettings = ConsoleSettings()
    registry: RegistrySettings = RegistrySettings()
    replies: ReplySettings = ReplySettings()
    reach: ReachSettings = ReachSettings()
    journal: JournalSettings = JournalSettings()
    falls: FallSettings = FallSettings()
    vitals: VitalsSettings = VitalsSettings()
    routine: RoutineSettings = RoutineSettings()
    devices: DeviceSettings = DeviceSettings()
    zigbee2mqtt: Zigbee2MqttSettings = Zigbee2MqttSettings()
    probe: ProbeSettings = ProbeSettings()

    @property
    def roles(self) -> list[Role]:
        """What `carecircle run` starts: all, the probe only where it has a device. It goes first, as it is ended first
        too: it must not page anybody because the others are being ended."""
        return sorted((role for role in Role if role is not Role.PROBE or self.probe.device), key=Role.PROBE.__ne__)

    @property
    def journal_dir(self) -> Path:
        """One folder per journal."""
        return self.data_dir / "journal"

    @property
    def quarantine_dir(self) -> Path:
        """One folder per stage."""
        return self.data_dir / "quarantine"

    @property
    def state_dir(self) -> Path:
        """Checkpoints and statistics."""
        return self.data_dir / "state"

    def resolved_database_url(self) -> str:
        """The SQLAlchemy address of registry and incidents."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'carecircle.db').absolute()}"

    def resolved_store_url(self) -> str:
        """The address that ``store.open_store`` takes."""
        if self.store.url == "sqlite":
            return f"sqlite:///{(self.data_dir / 'store.db').absolute()}"
        return self.store.url

    def resolved_public_url(self) -> str:
        """The address under which responders reach the console."""
        return self.alerts.public_url.rstrip("/") or f"http://127.0.0.1:{self.console.port}"

    def broker_password(self) -> str | None:
        """The receiving session's password."""
        return _secret(self.broker.password, self.broker.password_file)

    def command_password(self) -> str | None:
        """The command publisher's password."""
        return _secret(self.broker.command_password, self.broker.command_password_file)

    def store_token(self) -> str:
        """The store's token; empty for the embedded store."""
        return _secret(self.store.token, self.store.token_file) or ""

    def probe_password(self) -> str | None:
        """The password of the probe's device at the broker."""
        return _secret(self.probe.password, self.probe.password_file)

    def probe_secret(self) -> str | None:
        """The secret of the test channel."""
        return _secret(self.probe.secret, self.probe.secret_file)

    def probe_mail_password(self) -> str | None:
        """The password at the mail server of the pages."""
        return _secret(self.probe.mail.password, self.probe.mail.password_file)

    def probe_webhook_url(self) -> str:
        """Where pages are posted; empty: nowhere."""
        return _secret(self.probe.webhook.url, self.probe.webhook.url_file) or ""

    def oidc_secret(self) -> str:
        """How the console identifies itself to the provider of logins."""
        return _secret(self.console.oidc.client_secret, self.console.oidc.client_secret_file) or ""

    def reply_secret(self) -> str:
        """What replies by any bridge are signed with; empty: none are taken. Raises SettingsError where it is none."""
        secret = _secret(self.replies.secret, self.replies.secret_file) or ""
        if secret and not re.fullmatch(r"(whsec_)?[A-Za-z0-9+/]{32,}={0,2}", secret):
            raise SettingsError("replies.secret is no secret: give whsec_ and the base64 of at least 24 random bytes")
        return secret

    def twilio_token(self) -> str:
        """What Twilio signs replies with; empty: none are taken. Raises SettingsError where it cannot be checked."""
        token = _secret(self.replies.twilio_token, self.replies.twilio_token_file) or ""
        if token and not self.alerts.public_url:
            raise SettingsError("replies.twilio_token needs alerts.public_url: Twilio signs the address that it calls")
        return token

    def registry_keys(self) -> Keys | None:
        """What encrypts the secrets of people; None where no key is set.

        Raises:
            SettingsError: the file cannot be read, or holds no key.
        """
        given = self.registry
        if given.key is None and given.key_file is None:
            return None
        try:
            return Keys(lambda: _secret(given.key, given.key_file) or "")
        except BadKeyError as error:
            raise SettingsError(f"registry.{'key' if given.key else 'key_file'}: {error}") from None

    def check_secrets(self) -> None:
        """Read every secret that a file is named for. Raises SettingsError."""
        self.registry_keys()
        self.broker_password()
        self.command_password()
        self.store_token()
        _secret(None, self.alerts.link_key_file)
        self.probe_password()
        self.probe_secret()
        self.probe_mail_password()
        self.probe_webhook_url()
        self.oidc_secret()
        self.reply_secret()
        self.twilio_token()

    def link_key(self) -> str:
        """The key that signs acknowledge links; drawn and kept in ``state_dir`` at the first call if none is set."""
        given = _secret(self.alerts.link_key, self.alerts.link_key_file)
        if given:
            return given
        if self.alerts.worker == "deliver":
            raise SettingsError(
                "alerts.worker = 'deliver' needs alerts.link_key or link_key_file, the same on all machines"
            )
        path = self.state_dir / "link.key"
        self.state_dir.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            pass
        return path.read_text().strip()


def _secret(value: SecretStr | None, path: Path | None) -> str | None:
    if value is not None:
        return value.get_secret_value()
    if path is None:
        return None
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"the secret file {path} cannot be read ({error.strerror}): check path and owner") from None


def load(file: Path | None = None, **overrides: Any) -> Settings:
    """The settings of ``file`` (or of the one that ``CARECIRCLE_SETTINGS`` names), the environment over it.

    Raises:
        SettingsError: naming each wrong setting, where it was set and what is expected.
    """
    if file is None and (named := os.environ.get(FILE_VARIABLE)):
        file = Path(named)
    said: dict[str, Any] = {}
    if file is not None:
        try:
            said = tomllib.loads(file.read_text())
        except OSError as error:
            raise SettingsError(f"the settings file {file} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"the settings file {file} is not TOML: {error}") from None
        unknown = sorted(set(said) - set(Settings.model_fields))
        if unknown:
            raise SettingsError(f"the settings file {file} has unknown settings: {', '.join(unknown)}")
    try:
        from_environment = Settings(**overrides).model_dump(exclude_unset=True)
    except UnreadableError as error:  # a whole group in one variable
        raise SettingsError(f"wrong settings in the environment: {error}: it must be a JSON object") from None
    except ValidationError as error:
        raise SettingsError(_in_words("the environment", error)) from None
    try:
        return Settings(**_merge(said, from_environment))
    except ValidationError as error:
        raise SettingsError(_in_words(str(file), error)) from None


def _in_words(where: str, error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        path = [str(part) for part in problem["loc"]]
        said = problem["msg"]
        if problem["type"] == "extra_forbidden":
            said = f"there is no such setting, only {', '.join(_beside(path))}"
        elif problem["type"] == "literal_error":
            said += f", not {problem['input']!r}"
        lines.append(f"{'.'.join(path)}: {said} (environment: CARECIRCLE_{'__'.join(path).upper()})")
    return f"wrong settings in {where}:\n  " + "\n  ".join(lines)


def _beside(path: list[str]) -> list[str]:
    """The settings of the group that the last name of ``path`` was looked for in."""
    group: Any = Settings
    for name in path[:-1]:
        group = group.model_fields[name].annotation
    return list(group.model_fields)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        lower = merged.get(name)
        merged[name] = _merge(lower, value) if isinstance(lower, dict) and isinstance(value, dict) else value
    return merged
