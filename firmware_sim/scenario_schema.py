"""The scenario file as a document: its JSON Schema, and a scenario as YAML.

``python -m firmware_sim.scenario_schema --write`` puts the schema into ``docs/``, ``--check`` fails when it is stale.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from firmware_sim.scenario import Scenario

FILE = "scenario.schema.json"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a scenario, from the types that :func:`firmware_sim.scenario.load_scenario` uses."""
    (root,), components = msgspec.json.schema_components([Scenario], ref_template="#/$defs/{name}")
    name = str(root["$ref"]).rsplit("/", 1)[1]
    own = components.pop(name)
    return {"$schema": _DRAFT, "$id": "urn:carecircle:v1:scenario", **own, "$defs": components}


def document() -> str:
    """The text of the schema's file."""
    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def to_yaml(scenario: Scenario) -> str:
    """A scenario as a file that :func:`firmware_sim.scenario.parse_scenario` reads; without what is the default."""
    said = msgspec.to_builtins(scenario)
    return yaml.safe_dump(_without_defaults(scenario, said), sort_keys=False, allow_unicode=True, width=110)


def _without_defaults(struct: msgspec.Struct, said: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if value == default:
            continue
        whole = said[field.encode_name]
        kept[field.encode_name] = _without_defaults(value, whole) if isinstance(value, msgspec.Struct) else whole
    return kept


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m firmware_sim.scenario_schema", description="The schema of scenarios."
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help=f"write docs/{FILE}")
    action.add_argument("--check", action="store_true", help="fail when the committed one is stale")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="the folder (default: docs)")
    chosen = parser.parse_args(arguments)
    path = chosen.docs / FILE
    if chosen.write:
        path.write_text(document(), encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != document():
        print(f"{path} is stale: run python -m firmware_sim.scenario_schema --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
