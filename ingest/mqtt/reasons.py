"""Reason codes of MQTT 5 (OASIS standard of 2019, table 2-6) and return codes of MQTT 3.1.1 in words."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The reason codes that this side sends or decides by."""

    SUCCESS = 0x00
    FAILURE = 0x80  # from here on every code is a failure
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_PROTOCOL = 0x84
    PACKET_ID_NOT_FOUND = 0x92
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95


_NAMES = {
    0x00: "Success",
    0x01: "Granted QoS 1",
    0x02: "Granted QoS 2",
    0x04: "Disconnect with will message",
    0x10: "No matching subscribers",
    0x11: "No subscription existed",
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    0x8D: "Keep alive timeout",
    0x8E: "Session taken over",
    0x8F: "Topic filter invalid",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x92: "Packet identifier not found",
    0x93: "Receive maximum exceeded",
    0x94: "Topic alias invalid",
    0x95: "Packet too large",
    0x96: "Message rate too high",
    0x97: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9E: "Shared subscriptions not supported",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
    0xA1: "Subscription identifiers not supported",
    0xA2: "Wildcard subscriptions not supported",
}

#: CONNACK of MQTT 3.1.1 (table 3.1) as the reason codes of MQTT 5.
_OF_3_1_1 = {0: 0x00, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}


def describe(code: int) -> str:
    """The code's name, or its number where a newer broker knows more than this table."""
    return _NAMES.get(int(code), f"reason code 0x{int(code):02x}")


def from_3_1_1(return_code: int) -> int:
    """The reason code that a CONNACK of MQTT 3.1.1 means."""
    return _OF_3_1_1.get(return_code, int(Code.FAILURE))
