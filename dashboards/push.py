"""What a Grafana that already runs must have, compared with what it has. Pure; :mod:`dashboards.push_server` asks it
and changes it. For the compose stack file provisioning does the same without any of this.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dashboards.files import DATASOURCE_UID, LANGUAGES, NAMES, load, rule_file, uid

SOURCE_NAME = "CareCircle"
CONTACT_UID, CONTACT_NAME = "carecircle-webhook", "CareCircle"
#: Folders as file provisioning has them, by language.
FOLDERS: dict[str, tuple[str, str]] = {
    "en": ("carecircle-en", "CareCircle"),
    "zh": ("carecircle-zh", "CareCircle 中文"),
}
#: Rules name one folder, whatever language their dashboards have.
RULES_FOLDER = FOLDERS["en"][0]
#: Hash of the token, kept beside it: Grafana never gives a token back, and without this nobody knew that it changed.
_FINGERPRINT = "carecircleToken"
_DURATION = re.compile(r"(\d+)([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class PushError(Exception):
    """Grafana cannot be changed as asked; the text says why and what to do."""


class Kind(StrEnum):
    """What is pushed, in the order in which it must be."""

    FOLDER = "folder"
    SOURCE = "data source"
    DASHBOARD = "dashboard"
    CONTACT = "contact point"
    RULES = "rules"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing as it must be (``wanted``) and as it is (``there``, None where it is not), in the same form.

    Attributes:
        version: of a dashboard that is there.
    """

    kind: Kind
    uid: str
    title: str
    wanted: Mapping[str, Any]
    there: Mapping[str, Any] | None
    version: int | None = None

    @property
    def change(self) -> str:
        """``new``, ``changed`` or ``unchanged``."""
        return "new" if self.there is None else "unchanged" if self.there == self.wanted else "changed"

    @property
    def diff(self) -> list[str]:
        """Lines of a unified diff from what is there to what is wanted."""
        before = [] if self.there is None else _lines(self.there)
        return list(difflib.unified_diff(before, _lines(self.wanted), "there", "wanted", lineterm="", n=2))


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        source_url: InfluxDB as Grafana reaches it. ``source_token`` may read the buckets and nothing else.
        webhook: who is told by the rules; empty: whoever Grafana's own policy says.
        languages: of the dashboards.
    """

    source_url: str
    source_token: str
    webhook: str = ""
    languages: tuple[str, ...] = LANGUAGES


def wanted_source(options: Options) -> dict[str, Any]:
    """The data source: InfluxQL over HTTP with the token in a header."""
    return {
        "uid": DATASOURCE_UID,
        "name": SOURCE_NAME,
        "type": "influxdb",
        "access": "proxy",
        "url": options.source_url,
        "jsonData": {
            "version": "InfluxQL",
            "httpMode": "POST",
            "dbName": "telem",
            "httpHeaderName1": "Authorization",
            _FINGERPRINT: hashlib.sha256(options.source_token.encode()).hexdigest()[:12],
        },
    }


def source_secrets(options: Options) -> dict[str, str]:
    """What goes along with :func:`wanted_source` and is never given back."""
    return {"httpHeaderValue1": f"Token {options.source_token}"}


def wanted_folders(options: Options) -> list[tuple[str, str]]:
    """Uid and title of the folders; the rules' is always among them."""
    languages = dict.fromkeys(("en", *options.languages))
    return [FOLDERS[language] for language in languages]


def wanted_dashboards(options: Options) -> list[tuple[str, str, dict[str, Any]]]:
    """Uid, uid of the folder, and the dashboard itself, of every dashboard in every language asked for."""
    return [
        (uid(name, language), FOLDERS[language][0], dashboard_body(load(name, language)))
        for language in options.languages
        for name in NAMES
    ]


def dashboard_body(dashboard: Mapping[str, Any]) -> dict[str, Any]:
    """A dashboard without what Grafana numbers by itself."""
    return {name: value for name, value in dashboard.items() if name not in ("id", "version")}


def wanted_contact(options: Options) -> dict[str, Any] | None:
    """The contact point, or None where no webhook is asked for."""
    if not options.webhook:
        return None
    settings = {"url": options.webhook, "httpMethod": "POST"}
    return {"uid": CONTACT_UID, "name": CONTACT_NAME, "type": "webhook", "settings": settings}


def wanted_rules(options: Options, org_id: int) -> list[dict[str, Any]]:
    """The groups of rules in the form of Grafana's API, from the file that is for provisioning."""
    groups = []
    for group in json.loads(rule_file("grafana.json").read_text("utf-8"))["groups"]:
        told = {"notification_settings": {"receiver": CONTACT_NAME}} if options.webhook else {}
        place = {"orgID": org_id, "folderUID": RULES_FOLDER, "ruleGroup": group["name"]}
        rules = [{**rule, **place, **told} for rule in group["rules"]]
        interval_s = duration_s(group["interval"])
        groups.append({"title": group["name"], "folderUid": RULES_FOLDER, "interval": interval_s, "rules": rules})
    return groups


def comparable(wanted: Any, there: Any) -> Any:
    """``there`` without the names that ``wanted`` does not have, at any depth: Grafana adds defaults of its own.

    Durations come back written differently (120s, 2m0s): those that last equally long are given as in ``wanted``.
    """
    if isinstance(wanted, dict) and isinstance(there, dict):
        return {name: comparable(value, there[name]) for name, value in wanted.items() if name in there}
    if isinstance(wanted, list) and isinstance(there, list) and len(wanted) == len(there):
        return [comparable(*pair) for pair in zip(wanted, there, strict=True)]
    if isinstance(wanted, str) and isinstance(there, str) and wanted != there:
        lasts_s = duration_s(wanted)
        return wanted if lasts_s is not None and lasts_s == duration_s(there) else there
    return there


def duration_s(text: str) -> int | None:
    """Seconds of 90s, 1m or 1h30m; None for what is no duration."""
    if not re.fullmatch(rf"({_DURATION.pattern})+", text):
        return None
    return sum(int(number) * _UNIT_S[unit] for number, unit in _DURATION.findall(text))


def _lines(value: Mapping[str, Any]) -> list[str]:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).splitlines()
