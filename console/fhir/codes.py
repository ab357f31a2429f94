"""Which code each sign has: LOINC and SNOMED CT, units as UCUM. Pure.

LOINC: the vital signs profiles of FHIR R4 (http://hl7.org/fhir/R4/observation-vitalsigns.html), 59408-5 beside 2708-6
for saturation by pulse oximetry; glucose 15074-8, moles per volume in blood. NEWS2 total: SNOMED CT, edition of the
United Kingdom.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
_PROFILE = "http://hl7.org/fhir/StructureDefinition/"


@dataclass(frozen=True, slots=True)
class Coded:
    """A kind of Observation.

    Attributes:
        name: ours, and in the ids of resources.
        codings: (system, code, display), the first is the one that its profile asks for.
        unit: UCUM; "" for a panel.
        fields: fields of the store that it is made of.
        profile: of FHIR R4, "" without one.
        measurement: where the store has it.
    """

    name: str
    codings: tuple[tuple[str, str, str], ...]
    unit: str
    fields: tuple[str, ...]
    profile: str = ""
    measurement: str = "vitals"


SYSTOLIC = (LOINC, "8480-6", "Systolic blood pressure")
DIASTOLIC = (LOINC, "8462-4", "Diastolic blood pressure")
PRESSURE_UNIT = "mm[Hg]"

CODED: dict[str, Coded] = {
    one.name: one
    for one in (
        Coded("hr", ((LOINC, "8867-4", "Heart rate"),), "/min", ("hr",), _PROFILE + "heartrate"),
        Coded("rr", ((LOINC, "9279-1", "Respiratory rate"),), "/min", ("rr",), _PROFILE + "resprate"),
        Coded(
            "spo2",
            ((LOINC, "2708-6", "Oxygen saturation in Arterial blood"),
             (LOINC, "59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry")),
            "%", ("spo2",), _PROFILE + "oxygensat",
        ),
        Coded("temp", ((LOINC, "8310-5", "Body temperature"),), "Cel", ("temp",), _PROFILE + "bodytemp"),
        Coded(
            "bp", ((LOINC, "85354-9", "Blood pressure panel with all children optional"),), "", ("sbp", "dbp"),
            _PROFILE + "bp",
        ),
        Coded("glucose", ((LOINC, "15074-8", "Glucose [Moles/volume] in Blood"),), "mmol/L", ("glucose",)),
        Coded("weight", ((LOINC, "29463-7", "Body weight"),), "kg", ("weight",), _PROFILE + "bodyweight"),
        Coded(
            "news2",
            ((SNOMED, "1104051000000101",
              "Royal College of Physicians NEWS2 (National Early Warning Score 2) total score"),),
            "{score}", ("value",), "", "score",
        ),
    )
}  # fmt: skip


def of_search(text: str) -> list[Coded]:
    """The kinds that a token search asks for: ``8867-4,http://loinc.org|9279-1``; all for "". A code that there is
    nothing of asks for nothing. A component's code finds its panel."""
    if not text:
        return list(CODED.values())
    wanted = [_token(one) for one in text.split(",")]
    return [one for one in CODED.values() if any(_fits(one, system, code) for system, code in wanted)]


def _token(text: str) -> tuple[str | None, str]:
    system, bar, code = text.strip().partition("|")
    return (system, code) if bar else (None, system)


def _fits(one: Coded, system: str | None, code: str) -> bool:
    parts: Iterable[tuple[str, str, str]] = (*one.codings, *((SYSTOLIC, DIASTOLIC) if one.name == "bp" else ()))
    return any(code == own and system in (None, there) for there, own, _ in parts)
