"""From :mod:`dashboards.spec` to Grafana's JSON, with grafana-foundation-sdk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as models_common
from grafana_foundation_sdk.models import dashboard as models

from dashboards.files import LANGUAGES, NAMES, uid
from dashboards.limits import Step
from dashboards.spec import Column, Dashboard, Panel, Query, Variable
from dashboards.words import Words

#: Everything asks the datasource that is chosen at the top.
_SOURCE = models_common.DataSourceRef(type_val="influxdb", uid="${datasource}")
_WIDTH = 24


class InfluxQuery(variants.Dataquery):
    """A raw InfluxQL statement; the SDK has no class for InfluxDB's."""

    def __init__(self, ref: str, text: str, *, alias: str = "", table: bool = False) -> None:
        self._json = {
            "refId": ref,
            "datasource": {"type": "influxdb", "uid": "${datasource}"},
            "rawQuery": True,
            "query": text,
            "resultFormat": "table" if table else "time_series",
        } | ({"alias": alias} if alias else {})

    def to_json(self) -> dict[str, Any]:
        """As Grafana's InfluxDB datasource reads it."""
        return self._json


class _Built(builder.Builder[InfluxQuery]):
    def __init__(self, query: InfluxQuery) -> None:
        self._query = query

    def build(self) -> InfluxQuery:
        return self._query


def generate(spec: Dashboard, language: str) -> str:
    """The JSON file of a dashboard, with a line break at its end."""
    made = builders.Dashboard(spec.title.in_(language))
    made.uid(uid(spec.name, language)).description(spec.about.in_(language)).tags(
        ["carecircle", f"carecircle-{language}"]
    )
    made.timezone("browser").time(spec.since, "now").refresh(spec.refresh).readonly()
    made.tooltip(models.DashboardCursorSync.CROSSHAIR)
    for link in _links(spec, language):
        made.link(link)
    made.with_variable(
        builders.DatasourceVariable("datasource").label(Words("Source", "数据源").in_(language)).type("influxdb")
    )
    for variable in spec.variables:
        made.with_variable(_variable(variable, language))
    number, y = 1, 0
    for section in spec.sections:
        row = builders.Row(section.title.in_(language)).id(number).grid_pos(models.GridPos(h=1, w=_WIDTH, x=0, y=y))
        made.with_row(row)
        number, y = number + 1, y + 1
        x = height = 0
        for panel in section.panels:
            if x + panel.w > _WIDTH:
                x, y, height = 0, y + height, 0
            place = models.GridPos(h=panel.h, w=panel.w, x=x, y=y)
            made.with_panel(_panel(panel, language).id(number).grid_pos(place))
            number, x, height = number + 1, x + panel.w, max(height, panel.h)
        y += height
    found = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    found["annotations"] = {"list": [_annotation(spec.events, language)] if spec.events else []}
    text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
    return text.replace("$LANGUAGE", language) + "\n"


def _links(spec: Dashboard, language: str) -> Iterable[builders.DashboardLink]:
    """To the other dashboards of the language, and to this one in the other."""
    others = builders.DashboardLink(Words("Dashboards", "看板").in_(language)).type(models.DashboardLinkType.DASHBOARDS)
    yield others.tags([f"carecircle-{language}"]).as_dropdown(True).include_vars(True).keep_time(True)
    (other,) = set(LANGUAGES) - {language}
    link = builders.DashboardLink({"en": "English", "zh": "中文"}[other]).type(models.DashboardLinkType.LINK)
    yield link.url(f"/d/{uid(spec.name, other)}").include_vars(True).keep_time(True)


def _variable(variable: Variable, language: str) -> builders.QueryVariable:
    made = builders.QueryVariable(variable.name).label(variable.label.in_(language)).datasource(_SOURCE)
    made.query({"query": variable.query, "refId": f"variable-{variable.name}"}).definition(variable.query)
    made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
    made.multi(variable.several).include_all(variable.every)
    if variable.every:
        if not variable.listed:
            made.all_value(".*")
        made.current(models.VariableOption(text="All", value="$__all"))
    if variable.hidden:
        made.hide(models.VariableHide.HIDE_VARIABLE)
    return made


def _panel(panel: Panel, language: str) -> builders.Panel:
    made = builders.Panel().type(panel.kind).title(panel.title.in_(language)).description(panel.about.in_(language))
    made.datasource(_SOURCE).interval(panel.shortest_step).unit(panel.unit)
    made.thresholds(builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(_steps(panel.thresholds)))
    made.no_value("–")
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    if panel.least is not None:
        made.min(panel.least)
    if panel.most is not None:
        made.max(panel.most)
    mode = models.FieldColorModeId.THRESHOLDS if panel.kind == "stat" else models.FieldColorModeId.PALETTE_CLASSIC
    color = builders.FieldColor().mode(mode)
    if panel.color:
        color = builders.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(panel.color)
    made.color_scheme(color)
    if panel.repeat:
        made.repeat(panel.repeat).repeat_direction("v")
    if panel.link:
        link = builders.DashboardLink(panel.link_title.in_(language)).type(models.DashboardLinkType.LINK)
        made.links([link.url(panel.link)]).data_links([link])
    names = [query.alias.in_(language) if query.alias else "" for query in panel.queries]
    for number, query in enumerate(panel.queries):
        ref = _ref(number)
        made.with_target(_Built(InfluxQuery(ref, query.text, alias=names[number], table=query.table)))
        properties = _look(query, language)
        if properties:
            made.override_by_query(ref, properties)
    for column in panel.columns:
        made.override_by_name(column.name, _column(column, language))
    order = {"indexByName": {column.name: at for at, column in enumerate(panel.columns)}}
    ordered = ({"id": "organize", "options": order},) if panel.columns else ()
    for transformation in (*panel.transformations, *ordered):
        made.with_transformation(_transformation(transformation, names))
    made.options(_options(panel, language))
    if panel.kind == "barchart":
        for query, name in zip(panel.queries, names, strict=True):
            shown = [models.DynamicConfigValue("displayName", name), _fixed(query.look["color"])]
            made.override_by_name(f"{name} (sum)", shown)
    if panel.kind == "timeseries":
        made.custom(_custom(panel))
    elif panel.kind == "barchart":
        made.custom({"fillOpacity": 80, "lineWidth": 0})
    elif panel.kind == "table":
        made.custom({"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True})
    return made


def _ref(number: int) -> str:
    return "ABCDEFGHIJKLMNOP"[number]


def _steps(steps: Iterable[Step]) -> list[models.Threshold]:
    return [models.Threshold(value=step.value, color=step.color) for step in steps]


def _fixed(color: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def _look(query: Query, language: str) -> list[models.DynamicConfigValue]:
    found = []
    for name, value in query.look.items():
        if name == "color":
            found.append(_fixed(value))
        elif name == "thresholds":
            found.append(models.DynamicConfigValue(name, {"mode": "absolute", "steps": _steps(value)}))
        else:
            found.append(models.DynamicConfigValue(name, value))
    if query.fill_to is not None:
        found.append(models.DynamicConfigValue("custom.fillBelowTo", query.fill_to.in_(language)))
    return found


def _column(column: Column, language: str) -> list[models.DynamicConfigValue]:
    if column.hidden:
        return [models.DynamicConfigValue("custom.hidden", True)]
    found = [models.DynamicConfigValue("displayName", column.title.in_(language))]
    if column.unit:
        found.append(models.DynamicConfigValue("unit", column.unit))
    if column.decimals is not None:
        found.append(models.DynamicConfigValue("decimals", column.decimals))
    if column.thresholds:
        found.append(models.DynamicConfigValue("thresholds", {"mode": "absolute", "steps": _steps(column.thresholds)}))
        found.append(models.DynamicConfigValue("color", {"mode": "thresholds"}))
    if column.words:
        options = {
            value: {"text": words.in_(language), "color": color, "index": at}
            for at, (value, (words, color)) in enumerate(column.words.items())
        }
        found.append(models.DynamicConfigValue("mappings", [{"type": "value", "options": options}]))
    cell: dict[str, Any] | None = None
    if column.gauge:
        cell = {"type": "gauge", "mode": "basic"}
        found += [models.DynamicConfigValue("min", 0), models.DynamicConfigValue("max", 100)]
    elif column.sparkline:
        cell = {"type": "sparkline", "hideValue": True}
    elif column.thresholds or column.words:
        cell = {"type": "color-background", "mode": "basic"}
    if cell:
        found.append(models.DynamicConfigValue("custom.cellOptions", cell))
    if column.width:
        found.append(models.DynamicConfigValue("custom.width", column.width))
    if column.link:
        found.append(models.DynamicConfigValue("links", [{"title": column.title.in_(language), "url": column.link}]))
    return found


def _transformation(given: dict[str, Any], names: list[str]) -> models.DataTransformerConfig:
    text = json.dumps(given, ensure_ascii=False)
    for at, name in enumerate(names):
        text = text.replace(f'"${at}"', json.dumps(name, ensure_ascii=False))
    filled = json.loads(text)
    matcher = filled.get("filter")
    return models.DataTransformerConfig(
        id_val=filled["id"],
        filter_val=models.MatcherConfig(id_val=matcher["id"], options=matcher["options"]) if matcher else None,
        options=filled["options"],
    )


def _options(panel: Panel, language: str) -> dict[str, Any]:
    legend: dict[str, Any] = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    if panel.kind == "stat":
        colored = len(panel.thresholds) > 1 or any("thresholds" in query.look for query in panel.queries)
        return {
            "colorMode": "background_solid" if colored else "value",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value_and_name" if len(panel.queries) > 1 else "value",
        }
    if panel.kind == "table":
        titles = {column.name: column.title.in_(language) for column in panel.columns}
        by = [{"displayName": titles[panel.sort[0]], "desc": panel.sort[1]}] if panel.sort else []
        return {"showHeader": True, "cellHeight": "sm", "sortBy": by}
    if panel.kind == "barchart":
        return {"xField": "Time", "stacking": "normal", "legend": legend, "showValue": "never"}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


def _custom(panel: Panel) -> dict[str, Any]:
    custom: dict[str, Any] = {
        "drawStyle": panel.draw if panel.draw in ("line", "bars", "points") else "line",
        "lineWidth": 1,
        "fillOpacity": 60 if panel.draw == "bars" else (20 if panel.stack else 0),
        "showPoints": "always" if panel.draw == "points" else "auto",
        "pointSize": 5,
        "spanNulls": 3_600_000,
        "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "area" if panel.band else ("dashed" if len(panel.thresholds) > 1 else "off")},
    }
    if panel.draw == "steps":
        custom["lineInterpolation"] = "stepAfter"
    if panel.soft is not None:
        custom["axisSoftMin"], custom["axisSoftMax"] = panel.soft
    return custom


def _annotation(query: str, language: str) -> dict[str, Any]:
    """Incidents on the time axis: what the InfluxDB datasource reads of an annotation stands beside the target."""
    asked = {
        "query": query,
        "textColumn": "state",
        "tagsColumn": "kind,severity",
        "titleColumn": "",
        "timeEndColumn": "",
    }
    source = {"type": "influxdb", "uid": "${datasource}"}
    return {
        "name": Words("Incidents", "事件").in_(language),
        "datasource": source,
        "enable": True,
        "iconColor": "red",
        **asked,
        "target": {"refId": "Anno", "fromAnnotations": True, "rawQuery": True, "resultFormat": "table", **asked},
    }


def all_dashboards() -> dict[tuple[str, str], str]:
    """(name, language) -> the JSON file."""
    from dashboards import fleet, patient, pipeline, responses, supervision, ward

    specs = {
        module.DASHBOARD.name: module.DASHBOARD for module in (patient, ward, responses, supervision, fleet, pipeline)
    }
    assert tuple(specs) == NAMES
    return {(name, language): generate(specs[name], language) for name in NAMES for language in LANGUAGES}
