"""FHIR R4 as a hospital fetches it; every resource is read by the models of the standard (R4B, whose Patient, Device,
Observation, Bundle, OperationOutcome and CapabilityStatement are those of R4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from fhir.resources.R4B import get_fhir_model_class
from sqlalchemy import Engine, insert

import registry
from console.access.rules import Role
from console.app import create_app
from console.fhir.codes import CODED, of_search
from console.fhir.dates import span_of
from console.fhir.ids import ObservationId, observation_id, to_id
from console.settings import ConsoleSettings
from registry.models import device, person
from store import open_store
from tests.console.conftest import NOON_MS, copy_of
from tests.console.district import LINK_KEY
from tests.console.person_points import write, write_scores, write_vitals
from tests.console.users import add_user, browser_of

HOME = "chongqing.yubei.longxi.shimahe"
ODD = "p_0006:a"
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def engine(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One district for all of these tests: they read."""
    engine = copy_of(built, tmp_path_factory.mktemp("fhir"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def app(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The console with a day of vitals of one person, and one whose key is no id of FHIR."""
    folder = tmp_path_factory.mktemp("points")
    url = f"sqlite:///{folder}/points.db"
    store = open_store(url)
    write_vitals(store, "p-0001", "d-0001", NOON_MS, days=1, every_s=300)
    write_scores(store, "p-0001", NOON_MS, days=1)
    write(store, "vitals", [NOON_MS - 7000], {"hr": [64.0], "weight": [61.5], "glucose": [5.4]},
          person=ODD, device="hub:1", area=HOME)  # fmt: skip
    store.close()
    with registry.writing(engine) as connection:
        row = {
            "key": ODD,
            "name": "<b>Zhou\x07 شوان</b>" + "长" * 10_000,
            "area": HOME,
            "address": "",
            "language": "zh",
        }
        connection.execute(insert(person).values(**row, phone="", risks=[]))
        connection.execute(insert(device).values(id="hub:1", person=ODD, kind="hub", placement="", model="H1"))
    add_user(engine, "doctor", Role.CLINICIAN, areas=(HOME,))
    add_user(engine, "engineer", Role.ENGINEER, areas=(HOME,))
    return create_app(engine, ConsoleSettings(link_key=LINK_KEY, store_url=url), now_ms=lambda: NOON_MS)


@pytest.fixture(scope="module")
def doctor(app: Any, engine: Engine) -> Iterator[TestClient]:
    """Somebody who sees names."""
    with browser_of(app, engine, "doctor", NOON_MS) as browser:
        yield browser


def fetch(browser: TestClient, address: str, status: int = 200) -> dict[str, Any]:
    """A resource, read by the model of its type; with all that it holds."""
    parts = urlsplit(address)
    answer = browser.get("/fhir" + parts.path.removeprefix("/fhir") + (f"?{parts.query}" if parts.query else ""))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    found: dict[str, Any] = answer.json()
    get_fhir_model_class(found["resourceType"]).model_validate(found)
    return found


def pages(browser: TestClient, address: str) -> Iterator[list[dict[str, Any]]]:
    """The resources of a search, page by page along the links."""
    following = address
    while following:
        bundle = fetch(browser, following)
        yield [entry["resource"] for entry in bundle.get("entry", ())]
        following = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), "")


def test_every_kind_of_resource_is_one_of_the_standard(doctor: TestClient) -> None:
    """Of all codes, read alone and in bundles."""
    assert fetch(doctor, "/metadata")["fhirVersion"] == "4.0.1"
    seen = set()
    for search in ("/Patient", "/Device", "/Observation?patient=p-0001&_count=1000",
                   f"/Observation?patient=Patient/{to_id(ODD)}"):  # fmt: skip
        bundle = fetch(doctor, search)
        for entry in bundle["entry"]:
            one = entry["resource"]
            kind = one["id"].partition(".")[0] if one["resourceType"] == "Observation" else one["resourceType"]
            if kind not in seen:
                seen.add(kind)
                assert fetch(doctor, f"/{one['resourceType']}/{one['id']}") == one
                assert entry["fullUrl"].endswith(f"/fhir/{one['resourceType']}/{one['id']}")
    assert seen == {"Patient", "Device", *CODED}


def test_a_vital_sign_has_its_code_and_unit(doctor: TestClient) -> None:
    """LOINC and UCUM; pressure is a panel, the score is SNOMED CT."""
    found = {}
    for code in ("8867-4", "85354-9", "1104051000000101", "8310-5"):
        bundle = fetch(doctor, f"/Observation?patient=p-0001&code={code}&_count=1000")
        found[code] = bundle["entry"][-1]["resource"]
    pulse = found["8867-4"]
    assert pulse["code"]["coding"][0]["system"] == "http://loinc.org"
    assert pulse["valueQuantity"]["code"] == "/min"
    assert pulse["effectiveDateTime"] == "2026-03-02T04:00:00.000Z"
    assert pulse["category"][0]["coding"][0]["code"] == "vital-signs"
    assert found["8310-5"]["valueQuantity"]["code"] == "Cel"
    parts = {one["code"]["coding"][0]["code"]: one["valueQuantity"]["code"] for one in found["85354-9"]["component"]}
    assert parts == {"8480-6": "mm[Hg]", "8462-4": "mm[Hg]"}
    assert "valueQuantity" not in found["85354-9"]
    assert found["1104051000000101"]["code"]["coding"][0]["system"] == "http://snomed.info/sct"


def test_who_may_not_see_names_sees_pseudonyms(app: Any, engine: Engine, doctor: TestClient) -> None:
    """The key and nothing else of a person."""
    named = fetch(doctor, "/Patient/p-0001")
    assert named["name"][0]["text"].startswith("Li Guizhen")
    assert named["telecom"][0]["value"].startswith("+86")
    with browser_of(app, engine, "engineer", NOON_MS) as engineer:
        bare = fetch(engineer, "/Patient/p-0001")
        assert set(bare) == {"resourceType", "id", "identifier", "active"}
        assert "Guizhen" not in engineer.get("/fhir/Patient").text
    assert fetch(doctor, f"/Patient/{to_id(ODD)}")["name"][0]["text"].startswith("<b>Zhou  شوان</b>长长")


@pytest.mark.parametrize("count", [1, 7, 100, 1000])
def test_a_long_search_comes_in_pages_without_gap_or_repeat(doctor: TestClient, count: int) -> None:
    """However long the pages are, and where one instant has several."""
    search = "/Observation?patient=p-0001&date=ge2026-03-02T11:00:00%2B08:00"
    whole = [one["id"] for one in next(pages(doctor, f"{search}&_count=1000"))]
    assert 40 < len(whole) < 1000
    if count == 1:
        whole = whole[:12]
    found: list[str] = []
    for page in pages(doctor, f"{search}&_count={count}"):
        assert len(page) <= count
        found += [one["id"] for one in page]
        if len(found) >= len(whole):
            break
    assert found == whole
    assert len(set(found)) == len(found)


def test_a_search_over_years_is_read_in_bounded_parts(doctor: TestClient) -> None:
    """It goes on by its links over what is empty, and ends."""
    found = [len(page) for page in pages(doctor, "/Observation?patient=p-0001&code=8867-4&date=ge2020&_count=50")]
    assert sum(found) > 180
    assert len(found) < 40


@pytest.mark.parametrize(
    ("dates", "hours"),
    [
        (["ge2026-03-02T11:00:00+08:00"], {11, 12}),
        (["ge2026-03-02T10:00:00+08:00", "lt2026-03-02T11:00:00+08:00"], {10}),
        (["2026-03-02T03:00Z"], {11}),
        (["gt2026-03-03"], set()),
    ],
)
def test_a_date_says_what_is_meant(doctor: TestClient, dates: list[str], hours: set[int]) -> None:
    """With its prefix, as precise as it is."""
    query = "&".join(f"date={one.replace('+', '%2B')}" for one in dates)
    bundle = fetch(doctor, f"/Observation?patient=p-0001&code=8867-4&{query}&_count=1000")
    found = [one["resource"]["effectiveDateTime"] for one in bundle.get("entry", ())]
    assert {(int(one[11:13]) + 8) % 24 for one in found} == hours


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/Observation", 400, "invalid"),
        ("/Observation?patient=p-0001&date=yesterday", 400, "invalid"),
        ("/Observation?patient=p-0001&date=2026-13-01", 400, "invalid"),
        ("/Patient?_count=0", 400, "invalid"),
        ("/Patient/p-7777", 404, "not-found"),
        ("/Observation/hr.zz.p-0001", 404, "not-found"),
        ("/Observation/hr.1.p-0001", 404, "not-found"),
        ("/Medication", 404, "not-found"),
    ],
)
def test_errors_are_operation_outcomes(doctor: TestClient, address: str, status: int, code: str) -> None:
    """Resources of the standard too, which say what to do."""
    found = fetch(doctor, address, status)
    assert found["resourceType"] == "OperationOutcome"
    (issue,) = found["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert len(issue["diagnostics"]) > 20


def test_without_a_login_there_is_the_capability_statement_only(app: Any, engine: Engine) -> None:
    """And a store that is away is said to be."""
    with browser_of(app, engine) as nobody:
        assert fetch(nobody, "/metadata")["kind"] == "instance"
        assert fetch(nobody, "/Patient", 401)["issue"][0]["code"] == "login"
    away = create_app(engine, ConsoleSettings(link_key=LINK_KEY), now_ms=lambda: NOON_MS)
    with browser_of(away, engine, "doctor", NOON_MS) as browser:
        assert fetch(browser, "/Observation?patient=p-0001", 503)["issue"][0]["code"] == "transient"
        assert fetch(browser, "/Patient?_id=p-0001,p-0002&_count=1")["total"] == 2


def test_ids_hold_what_fhir_allows_and_lead_back() -> None:
    """Letters, digits, - and . of 64 at most (http://hl7.org/fhir/R4/datatypes.html#id)."""
    import re

    for key in ("p-0001", "a" * 64, "p_1", "00:11:22", "h-1", "..", "x" * 40):
        one = to_id(key)
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", one)
        whole = str(ObservationId("glucose", NOON_MS, one))
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", whole)
        assert observation_id(whole) == ("glucose", NOON_MS, one)
    assert to_id("h-1") != "h-1"


def test_codes_are_found_with_and_without_their_system() -> None:
    """As token parameters of FHIR are."""
    assert [one.name for one in of_search("8867-4,http://loinc.org|9279-1")] == ["hr", "rr"]
    assert [one.name for one in of_search("8480-6")] == ["bp"]
    assert of_search("http://snomed.info/sct|8867-4") == []
    assert len(of_search("")) == len(CODED)


def test_dates_without_a_zone_are_local() -> None:
    """And a month ends where the next begins."""
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Asia/Shanghai")
    assert span_of(["2026-03-02"], zone) == (NOON_MS - 12 * HOUR_MS, NOON_MS + 12 * HOUR_MS)
    start_ms, end_ms = span_of(["2026-02"], zone)
    assert start_ms is not None
    assert end_ms is not None
    assert end_ms - start_ms == 28 * 24 * HOUR_MS
    assert span_of(["ge2026-03-02T12:00:00.500"], zone) == (NOON_MS + 500, None)
