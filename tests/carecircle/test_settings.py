"""Settings: a file, the environment over it, secrets, and errors that say what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from carecircle.settings import Settings, SettingsError, load
from carecircle.settings_groups import OperatingPoint, PlacementPoints
from detectors.fall.model import OPERATING_POINTS
from ingest.devices import PLACEMENTS

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the machine's own settings."""
    for name in [name for name in os.environ if name.startswith("CARECIRCLE_")]:
        monkeypatch.delenv(name)


def names(model: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every setting."""
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += names(kind, (*prefix, name))
        else:
            found.append((*prefix, name))
    return found


@pytest.mark.parametrize("path", names(Settings), ids=".".join)
def test_every_setting_is_documented_with_its_variable(path: tuple[str, ...]) -> None:
    """A row in docs/operations.md."""
    variable = "CARECIRCLE_" + "__".join(part.upper() for part in path)
    assert f"| `{'.'.join(path)}` | `{variable}` |" in OPERATIONS.read_text()


def test_the_environment_wins_over_the_file_setting_by_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One setting of a group from the environment leaves the others as the file has them."""
    file = tmp_path / "carecircle.toml"
    file.write_text('log_level = "debug"\n[broker]\nurl = "mqtt://from.file:1884"\nkeepalive_s = 7\n')
    monkeypatch.setenv("CARECIRCLE_BROKER__URL", "mqtts://from.environment")
    settings = load(file)
    assert (settings.broker.host, settings.broker.port, settings.broker.tls) == ("from.environment", 8883, True)
    assert settings.broker.keepalive_s == 7
    assert settings.log_level == "debug"


def test_the_example_of_the_documentation_is_accepted(tmp_path: Path) -> None:
    """What docs/operations.md shows can be copied."""
    text = OPERATIONS.read_text()
    file = tmp_path / "example.toml"
    file.write_text(text[text.index("```toml") + 7 : text.index("```", text.index("```toml") + 7)])
    settings = load(file)
    assert settings.broker.command_username == "carecircle-cmd"
    assert settings.resolved_public_url() == "https://care.example"
    assert (settings.falls.operating_point, settings.falls.placements.wrist) == ("balanced", "quiet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense = 1", "nonsense"),
        ('[broker]\nurl = "http://x"', "broker.url"),
        ("[broker]\nkeepalive_s = 0", "CARECIRCLE_BROKER__KEEPALIVE_S"),
        ('[broker]\nsecret = "x"', "broker.secret"),
        ("[console]\nport = 99999", "console.port"),
        ("this is not toml", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    """The error has the setting, and how it could be set."""
    file = tmp_path / "carecircle.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=said):
        load(file)


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ('[falls]\noperating_point = "loud"', {}, "in FILE: falls.operating_point: Input should be 'sensitive',"
         " 'balanced' or 'quiet', not 'loud' (environment: CARECIRCLE_FALLS__OPERATING_POINT)"),
        ('[falls.placements]\nwrist = "loud"', {}, "in FILE: falls.placements.wrist: Input should be 'sensitive',"),
        ('[falls.placements]\nankle = "quiet"', {}, "in FILE: falls.placements.ankle: there is no such setting,"
         " only waist, wrist, hip, pocket, unknown (environment: CARECIRCLE_FALLS__PLACEMENTS__ANKLE)"),
        ("", {"CARECIRCLE_FALLS__PLACEMENTS__WRIST": "loud"}, "in the environment: falls.placements.wrist: Input"),
        ("", {"CARECIRCLE_FALLS__PLACEMENTS__ANKLE": "quiet"}, "in the environment: falls.placements.ankle: there is"),
        ("", {"CARECIRCLE_FALLS__PLACEMENTS": '{"wrist": "loud"}'}, "in the environment: falls.placements.wrist:"),
        ("", {"CARECIRCLE_FALLS__PLACEMENTS": "quiet"}, 'in the environment: error parsing value for field "falls"'),
    ],
)  # fmt: skip
def test_a_wrong_operating_point_is_named_with_what_is_allowed_and_where_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, environment: dict[str, str], said: str
) -> None:
    """In the file or in the environment: whoever reads it knows where to correct it."""
    file = tmp_path / "carecircle.toml"
    file.write_text(text)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load(file)
    assert said.replace("FILE", str(file)) in " ".join(str(raised.value).split())


def test_operating_points_are_set_by_placement_in_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment changes one placement and leaves the others; the names are those of detector and pipeline."""
    file = tmp_path / "carecircle.toml"
    file.write_text('[falls]\noperating_point = "sensitive"\n[falls.placements]\nwrist = "quiet"\nhip = "balanced"\n')
    monkeypatch.setenv("CARECIRCLE_FALLS__PLACEMENTS__WRIST", "balanced")
    falls = load(file).falls
    assert falls.operating_point == "sensitive"
    assert falls.placements.model_dump(exclude_none=True) == {"wrist": "balanced", "hip": "balanced"}
    assert tuple(PlacementPoints.model_fields) == PLACEMENTS
    assert get_args(OperatingPoint) == OPERATING_POINTS


def test_secrets_come_from_files_and_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither repr nor dump has the password; a missing file is named."""
    (tmp_path / "password").write_text("hush\n")
    monkeypatch.setenv("CARECIRCLE_BROKER__PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("CARECIRCLE_STORE__TOKEN", "hush-too")
    settings = load()
    assert settings.broker_password() == "hush"
    assert settings.store_token() == "hush-too"
    assert "hush" not in repr(settings)
    (tmp_path / "password").unlink()
    with pytest.raises(SettingsError, match=str(tmp_path)):
        settings.check_secrets()


def test_the_link_key_is_drawn_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Every role finds the same key."""
    settings = Settings(data_dir=tmp_path)
    key = settings.link_key()
    assert len(key) >= 32
    assert Settings(data_dir=tmp_path).link_key() == key
    assert (tmp_path / "state" / "link.key").stat().st_mode & 0o777 == 0o600


def test_base_topics_of_hubs_come_from_the_file_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None by default; what cannot be one is said where it stands."""
    assert load().zigbee2mqtt.base_topics == ()
    (tmp_path / "s.toml").write_text('[zigbee2mqtt]\nbase_topics = ["zigbee2mqtt/+", "z2m"]\n')
    assert load(tmp_path / "s.toml").zigbee2mqtt.base_topics == ("zigbee2mqtt/+", "z2m")
    monkeypatch.setenv("CARECIRCLE_ZIGBEE2MQTT__BASE_TOPICS", '["homes/#"]')
    with pytest.raises(SettingsError, match=r"zigbee2mqtt\.base_topics: .*give levels"):
        load()


def test_secrets_of_replies_that_cannot_work_are_refused_at_the_start() -> None:
    """With what to do, before anything runs."""
    with pytest.raises(SettingsError, match=r"replies\.secret is no secret"):
        Settings(replies={"secret": "short"}).check_secrets()
    with pytest.raises(SettingsError, match=r"needs alerts\.public_url"):
        Settings(replies={"twilio_token": "x" * 32}).check_secrets()
    with pytest.raises(ValueError, match="no country"):
        Settings(replies={"country": "China"})
