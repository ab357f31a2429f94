"""What holds for every detector: documented parameters, one hash per setting, ticks find nothing, states round-trip."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

import detectors
from detectors.device import link_parameters
from detectors.device.link import DeviceBank
from detectors.device.link_parameters import LinkParameters
from detectors.device.motion_sensor import MotionSensorBank
from detectors.device.parameters import MotionSensorParameters
from detectors.event import EventBank
from detectors.fall.bank import FallBank
from detectors.parameters import EventParameters, FallParameters, FollowUpParameters, params_hash
from detectors.routine.bank import RoutineBank
from detectors.routine.parameters import LimitParameters, RoutineParameters
from detectors.vitals.bank import VitalsBank
from detectors.vitals.parameters import VitalsParameters

PARAMETERS = [FallParameters, FollowUpParameters, EventParameters, MotionSensorParameters]
PARAMETERS += [LimitParameters, RoutineParameters, VitalsParameters]
#: The parts of :class:`LinkParameters`.
LINK = [getattr(link_parameters, str(field.type)) for field in dataclasses.fields(LinkParameters)]
PARAMETERS += LINK
BANKS = [FallBank, EventBank, MotionSensorBank, RoutineBank, DeviceBank, VitalsBank]
#: A number without one of these in its name has no unit (a share, a factor in log-odds, a name).
UNITS = ("_g", "_s", "_ms", "_hz", "_dps", "_deg", "_pct", "_correlation", "_share", "_days", "_per_day")
WITHOUT_UNIT = {"operating_point", "clock_gain", "missing_penalty"}
WITHOUT_UNIT |= {"prior_silences", "blip_readings", "up_readings", "wandering_changes"}
#: Numbers of things that are counted, ratios, and what is on or off.
UNITS += ("_ppm", "_hours", "_per_hour", "_per_min", "_windows", "_looks", "_readings", "_messages", "_devices")
UNITS += ("_sensors", "_misses", "_deviations", "_factor")
WITHOUT_UNIT |= {"tells"}
#: Of vital signs, and in standard deviations.
UNITS += ("_sigma", "_bpm", "_mmol_l", "_celsius", "_points", "_gain")


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_parameter_is_documented_and_names_its_unit(kind: type) -> None:
    """The docstring's Attributes section has them all."""
    text = inspect.getdoc(kind) or ""
    for field in dataclasses.fields(kind):
        assert f"{field.name}:" in text, f"{kind.__name__}.{field.name} is not documented"
        assert field.name.endswith(UNITS) or field.name in WITHOUT_UNIT, f"{field.name} has no unit"


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_parameter_changes_the_hash(kind: type) -> None:
    """So that a detection says with which setting it was made."""
    plain = params_hash(kind())
    for field in dataclasses.fields(kind):
        other = f"{field.default}x" if isinstance(field.default, str) else field.default + 1
        assert params_hash(kind(**{field.name: other})) != plain
    assert params_hash(kind(), b"weights") != plain


@pytest.mark.parametrize("kind", LINK)
def test_a_parameter_of_a_part_changes_the_hash_of_the_whole(kind: type) -> None:
    """A device bank's findings carry one hash for all of its parts."""
    plain, (name,) = (
        LinkParameters(),
        [one.name for one in dataclasses.fields(LinkParameters) if one.type == kind.__name__],
    )
    for field in dataclasses.fields(kind):
        part = kind(**{field.name: field.default + 1})
        assert params_hash(dataclasses.replace(plain, **{name: part})) != params_hash(plain), field.name


@pytest.mark.parametrize("kind", BANKS)
def test_a_fresh_bank_finds_nothing_on_a_tick_and_its_state_round_trips(kind: type) -> None:
    """Also through pickle, as the processor keeps it."""
    bank = kind()
    assert bank.update([] if kind is EventBank else None, 1_760_000_000_000) == []
    state = pickle.loads(pickle.dumps(bank.state()))
    again = kind()
    again.restore(state)
    np.testing.assert_equal(again.state(), state)
    assert len(bank.params_hash) == 16


@pytest.mark.parametrize("kind", BANKS)
def test_every_public_method_of_a_bank_is_documented(kind: type) -> None:
    """What, shapes, units, what is raised."""
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method), f"{kind.__name__}.{name}"


def test_no_detector_reads_a_clock_or_a_socket() -> None:
    """Pure objects: time comes in as an argument. Training and the reading of files are apart."""
    banned = {"time", "socket", "random", "threading", "os", "asyncio"}
    root = Path(detectors.__file__).parent
    for path in root.rglob("*.py"):
        if path.name == "train.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not banned & {name.split(".")[0] for name in names}, path.name
