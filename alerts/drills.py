"""Test calls: they take the whole way of an alarm, look like tests everywhere, and reach the test channel only."""

from __future__ import annotations

from alerts.policy import Policy
from registry import Directory, ResponderEntry

#: The kind of an incident that is a test. It is called so on the board, in messages and in the time series.
TEST_KIND = "test"
#: The kind of a device in the registry all of whose alarms are tests, whoever it is assigned to.
TEST_DEVICE = "test"
#: The role of the responders whom tests are told, and nobody else.
TEST_ROLE = "test"

#: No question to a wearer; what nobody received after two minutes is closed, so that a test never stands open.
TEST_POLICY = Policy(name="test", step_s=120.0, repeat_s=120.0, arrival_s=900.0, ask_wearer=False)


def is_test_device(directory: Directory, device: str) -> bool:
    """Whether what a device says is a test."""
    entry = directory.device(device)
    return entry is not None and entry.kind == TEST_DEVICE


def is_test_channel(responder: ResponderEntry | None) -> bool:
    """Whether a responder is told of tests."""
    return responder is not None and TEST_ROLE in responder.roles


def channels_of_tests(directory: Directory) -> list[ResponderEntry]:
    """Who is told of tests, in the order of their ids; whether they are on call does not matter."""
    return [entry for _, entry in sorted(directory.responders.items()) if is_test_channel(entry)]
