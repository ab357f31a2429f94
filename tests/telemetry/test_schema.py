"""The generated documents: current, well formed, and true of the codecs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from telemetry import schema
from telemetry.codec import decode, decode_command, encode_json
from telemetry.errors import TelemetryError
from telemetry.examples import EXAMPLES
from telemetry.messages import Command, Message, PackedMotion
from telemetry.topics import Stream, parse_topic

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT: dict[str, Any] = yaml.safe_load(schema.documents()["asyncapi.yaml"])
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]


def test_the_committed_documents_are_current() -> None:
    """Otherwise: python -m telemetry.schema --write."""
    assert schema.stale(DOCS) == []


def test_a_stale_missing_or_left_over_document_is_found_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check that CI runs can fail, says what to do, and is content after it was done."""
    assert schema.main(["--write", "--docs", str(tmp_path)]) == 0
    (tmp_path / "asyncapi.yaml").write_text("asyncapi: 2.0.0\n")
    (tmp_path / "schema" / "home.json").unlink()
    (tmp_path / "schema" / "gone.json").write_text("{}")
    assert schema.stale(tmp_path) == ["asyncapi.yaml", "schema/gone.json", "schema/home.json"]
    assert schema.main(["--check", "--docs", str(tmp_path)]) == 1
    assert "asyncapi.yaml is stale: run python -m telemetry.schema --write" in capsys.readouterr().err
    assert schema.main(["--write", "--docs", str(tmp_path)]) == 0
    assert schema.main(["--check", "--docs", str(tmp_path)]) == 0


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("draft", [jsonschema.Draft7Validator, jsonschema.Draft202012Validator])
def test_each_schema_is_one_and_takes_its_examples(draft: Any, kind: type[Message | Command]) -> None:
    """In the draft that its file names, and in the one that AsyncAPI reads."""
    found = schema.json_schema(kind)
    draft.check_schema(found)
    assert EXAMPLES[kind]
    for example in EXAMPLES[kind]:
        assert list(draft(found).iter_errors(schema.as_json_value(example))) == []


def references(node: Any) -> Iterator[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:
    """What a local reference points to."""
    assert reference.startswith("#/")
    node: Any = DOCUMENT
    for step in reference[2:].split("/"):
        node = node[step]
    return node


def test_every_reference_in_the_document_leads_somewhere() -> None:
    """And each channel, message and schema is used."""
    used = set(references(DOCUMENT))
    for reference in used:
        resolve(reference)
    parts = {f"#/components/{part}/{name}" for part, items in DOCUMENT["components"].items() for name in items}
    assert parts <= used
    assert {f"#/channels/{name}" for name in DOCUMENT["channels"]} <= used


def test_the_document_has_the_parts_that_asyncapi_3_asks_for() -> None:
    """Its version, title, one channel for each topic, one operation for each channel."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"].keys() >= {"title", "version", "description"}
    assert list(DOCUMENT["channels"]) == [stream.value for stream in Stream]
    for name, channel in DOCUMENT["channels"].items():
        assert channel["address"] == f"care/v1/{{device}}/{name}"
        assert list(channel["parameters"]) == ["device"]
        for message in channel["messages"].values():
            assert resolve(message["$ref"])["contentType"] in ("application/json", "application/x-msgpack")


def test_each_channel_has_one_operation_with_direction_and_quality_of_service() -> None:
    """Devices publish on all but cmd; only status is retained; an event is answered on cmd."""
    found = {}
    for operation in DOCUMENT["operations"].values():
        name = operation["channel"]["$ref"].rsplit("/", 1)[1]
        mqtt = operation["bindings"]["mqtt"]
        found[name] = (operation["action"], mqtt["qos"], mqtt["retain"])
        offered = DOCUMENT["channels"][name]["messages"]
        assert [message["$ref"] for message in operation["messages"]] == [
            f"#/channels/{name}/messages/{message}" for message in offered
        ]
    up = ("receive", 1, False)
    assert found == {
        "motion": up,
        "vitals": up,
        "home": up,
        "event": up,
        "status": ("receive", 1, True),
        "cmd": ("send", 1, False),
    }
    assert DOCUMENT["operations"]["receiveEvent"]["reply"]["channel"] == {"$ref": "#/channels/cmd"}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_examples_in_the_document_are_what_the_codecs_read(name: str) -> None:
    """As text and as bytes, and each fits the payload's schema."""
    message = MESSAGES[name]
    stream = next(s for s in Stream if name in DOCUMENT["channels"][s.value]["messages"])
    payloads = [example["payload"] for example in message["examples"]]
    for payload in payloads:
        jsonschema.Draft7Validator(resolve(message["payload"]["$ref"])).validate(payload)
    if message["contentType"] == "application/json":
        wire = [json.dumps(payload).encode() for payload in payloads]
    else:
        wire = [bytes.fromhex(text) for text in message["x-examples-on-the-wire-hex"]]
    assert len(wire) == len(payloads) > 0
    for data, payload in zip(wire, payloads, strict=True):
        found = decode_command(data) if stream is Stream.CMD else decode(stream, data)
        assert {key: getattr(found, key) for key in ("seq",) if key in payload} == {
            key: payload[key] for key in ("seq",) if key in payload
        }
        if isinstance(found, Message | Command):
            assert json.loads(encode_json(found)) == payload


def test_the_example_device_ids_can_stand_in_a_topic() -> None:
    """They are copied by people who try it out."""
    for device in DOCUMENT["components"]["parameters"]["device"]["examples"]:
        assert parse_topic(f"care/v1/{device}/event".encode()) == (device, Stream.EVENT)


@pytest.mark.parametrize(
    ("stream", "change"),
    [
        (Stream.VITALS, {"hr": True}),
        (Stream.VITALS, {"hr": 400.5}),
        (Stream.VITALS, {"hr": None}),
        (Stream.VITALS, {"hr": 72}),
        (Stream.VITALS, {"t": -1}),
        (Stream.VITALS, {"boot": 2**32}),
        (Stream.VITALS, {"o2": 1}),
        (Stream.VITALS, {"whatever": [1]}),
        (Stream.HOME, {"value": None}),
        (Stream.HOME, {"value": "x" * 65}),
        (Stream.HOME, {"kind": ""}),
        (Stream.EVENT, {"type": ""}),
        (Stream.EVENT, {"re": None}),
        (Stream.STATUS, {"online": "yes"}),
        (Stream.STATUS, {"heartbeat_s": 0}),
        (Stream.MOTION, {"acc": [[0, 0]]}),
        (Stream.MOTION, {"acc": []}),
        (Stream.MOTION, {"acc": [[0, 0, 1]]}),
        (Stream.MOTION, {"gyr": None}),
    ],
)
def test_schema_and_codec_agree_on_what_is_refused(stream: Stream, change: dict[str, Any]) -> None:
    """A device maker who validates against the schema meets no surprise at the gateway."""
    message = MESSAGES[f"{stream.value}Json"]
    payload = {**message["examples"][0]["payload"], **change}
    valid = jsonschema.Draft202012Validator(resolve(message["payload"]["$ref"])).is_valid(payload)
    try:
        decode(stream, json.dumps(payload).encode())
    except TelemetryError:
        assert not valid
    else:
        assert valid


def test_packed_samples_stand_as_base64_in_the_schema() -> None:
    """With the lengths of n x 3 int16 in base64."""
    acc = schema.json_schema(PackedMotion)["properties"]["acc"]
    assert acc["contentEncoding"] == "base64"
    assert msgspec.json.decode(json.dumps(schema.as_json_value(EXAMPLES[PackedMotion][0])["acc"]), type=bytes)
