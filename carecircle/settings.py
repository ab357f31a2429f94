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
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from carecircle.settings_groups import (
    AlertSettings,
    BrokerSettings,
    ConsoleSettings,
    DeviceSettings,
    FallSettings,
    JournalSettings,
    ProbeSettings,
    ReachSettings,
    RegistrySettings,
    ReplySettings,
    RoutineSettings,
    StoreSettings,
    VitalsSettings,
    Zigbee2MqttSettings,
)
from registry.errors import BadKeyError
from registry.keys import Keys

#: Names the settings file where no ``--settings`` does.
FILE_VARIABLE = "CARECIRCLE_SETTINGS"


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
