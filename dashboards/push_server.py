"""Asks a running Grafana what it has and changes what differs, with grafana-client.

grafana-client is in the extra ``grafana``; :func:`connect` says how to install it where it is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dashboards import push
from dashboards.files import DATASOURCE_UID
from dashboards.push import CONTACT_NAME, RULES_FOLDER, Item, Kind, Options, PushError

INSTALL = (
    "URLLIB3_NO_OVERRIDE=1 pip install --no-binary urllib3-future 'carecircle[grafana]' (without these two it replaces"
    " urllib3 under influxdb-client), or an environment of its own"
)


def connect(url: str, token: str, timeout_s: float = 10.0) -> Grafana:
    """A Grafana that answers and takes the token.

    Raises:
        PushError: grafana-client is not installed, nobody answers, the token is refused.
    """
    try:
        import grafana_client
    except ImportError:
        raise PushError(f"grafana-client is not installed: {INSTALL}") from None
    api = grafana_client.GrafanaApi.from_url(url, credential=grafana_client.TokenAuth(token), timeout=timeout_s)
    grafana = Grafana(url, api)
    with grafana.said("connecting"):
        api.client.s.trust_env = False  # a proxy of the environment is not for a server of one's own
        grafana.version = str(api.health.check()["version"])
        grafana.org_id = int(api.organization.get_current_organization()["id"])
    return grafana


class Grafana:
    """A running Grafana. Every call raises PushError that says what to do."""

    def __init__(self, url: str, api: Any) -> None:
        self._url = url
        self._api = api
        self.version = ""
        self.org_id = 0

    def look(self, options: Options) -> list[Item]:
        """Everything that must be there, in the order in which it must be pushed.

        Raises:
            PushError: also where a name that we need is somebody else's.
        """
        with self.said("looking"):
            items = self._folders(options)
            items.append(self._source(options))
            items += self._dashboards(options)
            items += self._contact(options)
            items += self._rules(options)
        return items

    def do(self, item: Item, options: Options) -> int | None:
        """Make one thing as it must be; the new version of a dashboard."""
        with self.said(f"{item.kind} {item.title}"):
            return _DO[item.kind](self, item, options)

    def _folders(self, options: Options) -> list[Item]:
        items = []
        folders = self._api.folder.get_all_folders()
        for uid, title in push.wanted_folders(options):
            there = next((folder for folder in folders if folder["uid"] == uid), None)
            if there is None and any(folder["title"] == title for folder in folders):
                raise PushError(
                    f"there is a folder {title!r} already, which is not ours: rename it, or delete it if it is empty"
                )
            wanted = {"title": title}
            items.append(Item(Kind.FOLDER, uid, title, wanted, there and push.comparable(wanted, there)))
        return items

    def _source(self, options: Options) -> Item:
        sources = self._api.datasource.list_datasources()
        wanted = push.wanted_source(options)
        there = next((source for source in sources if source["uid"] == DATASOURCE_UID), None)
        if there is None and any(source["name"] == push.SOURCE_NAME for source in sources):
            raise PushError(f"there is a data source {push.SOURCE_NAME!r} already, which is not ours: rename it")
        if there is not None and there.get("readOnly"):
            raise PushError(f"the data source {push.SOURCE_NAME!r} comes from a file of that Grafana: change it there")
        return Item(
            Kind.SOURCE, DATASOURCE_UID, push.SOURCE_NAME, wanted, there and push.comparable(wanted, there)
        )  # fmt: skip

    def _dashboards(self, options: Options) -> list[Item]:
        items = []
        for uid, folder, body in push.wanted_dashboards(options):
            found = self._or_none(self._api.dashboard.get_dashboard, uid)
            there = version = None
            if found is not None:
                if found["meta"].get("provisioned"):
                    raise PushError(f"the dashboard {uid} comes from a file of that Grafana: change it there")
                there = {**push.dashboard_body(found["dashboard"]), "folderUid": found["meta"].get("folderUid")}
                version = found["dashboard"].get("version")
            items.append(Item(Kind.DASHBOARD, uid, body["title"], {**body, "folderUid": folder}, there, version))
        return items

    def _contact(self, options: Options) -> list[Item]:
        wanted = push.wanted_contact(options)
        if wanted is None:
            return []
        points = self._api.alertingprovisioning.get_contactpoints(name=CONTACT_NAME) or []
        there = next((point for point in points if point.get("uid") == wanted["uid"]), None)
        if there is None and points:
            raise PushError(f"there is a contact point {CONTACT_NAME!r} already, which is not ours: rename it")
        return [Item(Kind.CONTACT, wanted["uid"], CONTACT_NAME, wanted, there and push.comparable(wanted, there))]

    def _rules(self, options: Options) -> list[Item]:
        items = []
        for wanted in push.wanted_rules(options, self.org_id):
            group = wanted["title"]
            there = self._or_none(self._api.alertingprovisioning.get_rule_group, RULES_FOLDER, group)
            items.append(Item(Kind.RULES, group, group, wanted, there and push.comparable(wanted, there)))
        return items

    def _do_folder(self, item: Item, _options: Options) -> None:
        if item.there is None:
            self._api.folder.create_folder(item.title, uid=item.uid)
        else:
            self._api.folder.update_folder(item.uid, title=item.title, overwrite=True)

    def _do_source(self, item: Item, options: Options) -> None:
        whole = {**item.wanted, "secureJsonData": push.source_secrets(options)}
        if item.there is None:
            self._api.datasource.create_datasource(whole)
        else:
            self._api.datasource.update_datasource_by_uid(item.uid, whole)

    def _do_dashboard(self, item: Item, _options: Options) -> int:
        body = {name: value for name, value in item.wanted.items() if name != "folderUid"}
        saved = self._api.dashboard.update_dashboard(
            {
                "dashboard": body,
                "folderUid": item.wanted["folderUid"],
                "message": "carecircle setup grafana",
                "overwrite": True,
            }
        )
        return int(saved["version"])

    def _do_contact(self, item: Item, _options: Options) -> None:
        if item.there is None:
            self._api.alertingprovisioning.create_contactpoint(dict(item.wanted))
        else:
            self._api.alertingprovisioning.update_contactpoint(item.uid, dict(item.wanted))

    def _do_rules(self, item: Item, _options: Options) -> None:
        self._api.alertingprovisioning.update_rule_group(RULES_FOLDER, item.uid, dict(item.wanted))

    def _or_none(self, ask: Callable[..., Any], *arguments: str) -> Any:
        """The answer, or None where Grafana says that there is no such thing."""
        from grafana_client.client import GrafanaClientError

        try:
            return ask(*arguments)
        except GrafanaClientError as error:
            if error.status_code == 404:
                return None
            raise

    @contextmanager
    def said(self, doing: str) -> Iterator[None]:
        """Any failure within says what was being done and what to do about it."""
        from grafana_client.client import GrafanaException

        try:
            yield
        except GrafanaException as error:
            if error.status_code in (401, 403):
                raise PushError(
                    f"{self._url} refused the token ({doing}): give one of a service account with the role Admin"
                ) from None
            if error.status_code in (409, 412):
                raise PushError(
                    f"{doing}: {error.message}: somebody else has it; rename theirs, or delete it"
                ) from None
            raise PushError(
                f"{doing}: {self._url} answered {error.status_code or 'nothing'}: {error.message}"
            ) from None
        except OSError as error:  # what is under grafana-client raises for every failure of the connection
            raise PushError(f"{self._url} does not answer ({doing}): {error}: is the address right?") from None
        except (KeyError, TypeError, ValueError) as error:
            raise PushError(f"{self._url} does not answer like Grafana ({doing}): {error!r}") from None


_DO: dict[Kind, Callable[[Grafana, Item, Options], int | None]] = {
    Kind.FOLDER: Grafana._do_folder,
    Kind.SOURCE: Grafana._do_source,
    Kind.DASHBOARD: Grafana._do_dashboard,
    Kind.CONTACT: Grafana._do_contact,
    Kind.RULES: Grafana._do_rules,
}
