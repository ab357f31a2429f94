"""What we have as resources of FHIR R4 (4.0.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from console.fhir.codes import CODED, DIASTOLIC, PRESSURE_UNIT, SYSTOLIC, UCUM
from console.fhir.ids import to_id
from console.fhir.observations import Measured

_PERSON, _DEVICE = "urn:carecircle:person", "urn:carecircle:device"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
_DIGITS = 3
Resource = dict[str, Any]


def patient(key: str, row: Mapping[str, Any] | None = None) -> Resource:
    """A person by the pseudonymous key; with a ``row`` of the registry also name, address and telephone."""
    found: Resource = {
        "resourceType": "Patient", "id": to_id(key), "identifier": [{"system": _PERSON, "value": key}], "active": True,
    }  # fmt: skip
    if row is None:
        return found
    found["name"] = [{"use": "official", "text": _said(row["name"])}] if _said(row["name"]) else []
    found["telecom"] = [{"system": "phone", "value": _said(row["phone"])}] if _said(row["phone"]) else []
    found["address"] = [{"use": "home", "text": _said(row["address"])}] if _said(row["address"]) else []
    found["communication"] = [
        {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": row["language"]}]}, "preferred": True}
    ]
    return {name: value for name, value in found.items() if value != []}


def device(row: Mapping[str, Any]) -> Resource:
    """A device of the registry, with whom it is on."""
    found: Resource = {
        "resourceType": "Device", "id": to_id(row["id"]), "identifier": [{"system": _DEVICE, "value": row["id"]}],
        "status": "active",
    }  # fmt: skip
    if _said(row["kind"]):
        found["type"] = {"text": _said(row["kind"])}
    if _said(row["model"]):
        found["modelNumber"] = _said(row["model"])
    if _said(row["placement"]):
        found["note"] = [{"text": _said(row["placement"])}]
    if row["person"]:
        found["patient"] = {"reference": f"Patient/{to_id(row['person'])}"}
    return found


def observation(one: Measured) -> Resource:
    """A vital sign, a panel of blood pressure, or a score."""
    coded = one.coded
    found: Resource = {
        "resourceType": "Observation", "id": str(one.id), "status": "final",
        "code": {"coding": [_coding(*coding) for coding in coded.codings]},
        "subject": {"reference": f"Patient/{one.id.person}"},
        "effectiveDateTime": instant(one.id.t_ms),
    }  # fmt: skip
    if coded.profile:
        found["meta"] = {"profile": [coded.profile]}
    if coded.measurement == "vitals" and coded.name != "glucose":
        found["category"] = [{"coding": [_coding(_CATEGORY, "vital-signs", "Vital Signs")]}]
    if coded.name == "bp":
        parts = (("sbp", SYSTOLIC), ("dbp", DIASTOLIC))
        found["component"] = [
            {"code": {"coding": [_coding(*coding)]}, "valueQuantity": _quantity(one.values[name], PRESSURE_UNIT)}
            for name, coding in parts
            if name in one.values
        ]
    else:
        found["valueQuantity"] = _quantity(one.values[coded.fields[0]], coded.unit)
    return found


def bundle(
    base: str, resources: Iterable[Resource], own: str, following: str = "", total: int | None = None
) -> Resource:
    """A page of a search: ``own`` and ``following`` are addresses; ``total`` where it is known."""
    links = [{"relation": "self", "url": own}]
    if following:
        links.append({"relation": "next", "url": following})
    entries = [
        {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": "match"}}
        for one in resources
    ]
    found: Resource = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if total is not None:
        found["total"] = total
    return found | ({"entry": entries} if entries else {})


def capabilities(base: str, at_ms: int) -> Resource:
    """What this server can do (http://hl7.org/fhir/R4/capabilitystatement.html)."""
    searches = {
        "Patient": (("_id", "token"),),
        "Device": (("_id", "token"), ("patient", "reference")),
        "Observation": (("_id", "token"), ("patient", "reference"), ("code", "token"), ("date", "date")),
    }
    profiles = sorted({one.profile for one in CODED.values() if one.profile})
    resources = [
        {
            "type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}],
            "searchParam": [{"name": name, "type": of} for name, of in parameters],
        }
        | ({"supportedProfile": profiles} if kind == "Observation" else {})
        for kind, parameters in searches.items()
    ]  # fmt: skip
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": instant(at_ms), "kind": "instance",
        "implementation": {"description": "CareCircle", "url": base}, "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "Authorization: Bearer, a token with the scope read:fhir"},
                "resource": resources,
            }
        ],
    }  # fmt: skip


def instant(at_ms: int) -> str:
    """An instant as FHIR writes it, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _said(text: str | None) -> str:
    """A text as FHIR allows it: not empty, no control characters but white space."""
    return "".join(mark if mark.isprintable() or mark in "\t\n\r" else " " for mark in text or "").strip()


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": round(value, _DIGITS), "unit": unit, "system": UCUM, "code": unit}
