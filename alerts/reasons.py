"""Why a message was sent, will be sent again, or was not sent. The values are the labels of the metrics."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The result of a notification or of one attempt at it."""

    # sent
    DELIVERED = "delivered"  # the other side answered 2xx
    SHOWN = "shown"  # a row that the web console shows
    COMMANDED = "commanded"  # a command for a device is in the journal; no device answers it
    # to be sent again
    TIMEOUT = "timeout"  # no answer in time: it may have arrived
    ANSWER_LOST = "answer_lost"  # the connection broke after the request: it may have arrived
    CONNECT_FAILED = "connect_failed"
    SERVER_ERROR = "server_error"  # 5xx
    THROTTLED = "throttled"  # 429, 408, 425
    CRASHED = "crashed"  # our process died between sending and recording: it may have arrived
    INTERNAL = "internal"  # a defect of ours; logged
    NOT_TAKEN = "not_taken"  # the service behind Apprise did not take it, and gave no status
    RATE_LIMITED = "rate_limited"  # the channel had as many in a minute as it may have
    # given up
    GONE = "gone"  # 410: the endpoint is no more
    REJECTED = "rejected"  # another 4xx
    REDIRECTED = "redirected"  # 3xx: not followed, as it would lead the signed text elsewhere
    BAD_CHANNEL = "bad_channel"  # a url or secret that cannot be used, or an unknown type
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    # not sent
    NO_CHANNEL = "no_channel"  # the responder has none
    NOBODY_ON_CALL = "nobody_on_call"  # no responder in the area and its parents
    RESPONDER_GONE = "responder_gone"  # no longer in the registry, or without this channel
    OTHER_CHANNEL = "other_channel"  # another channel of the same call delivered
    ACKNOWLEDGED = "acknowledged"  # somebody is on it, before this was sent
    RESOLVED = "resolved"
    CANNOT_COME = "cannot_come"  # the responder said so; asked again when nobody else is left
    ASKED_FIRST = "asked_first"  # the wearer has time to answer before anybody is called
    CALLED_AGAIN = "called_again"  # needed after all, before a stand-down was sent
    NOT_AVAILABLE = "not_available"  # a contact who reported that they cannot come
    TOO_FAR = "too_far"  # a contact who is not near enough, or of whom that is not known
    SHIFT_OVER = "shift_over"  # a notice to somebody who is no longer on call
    TOLD_JUST_NOW = "told_just_now"  # the same responder about the same incident
    SUSPECTED_ONLY = "suspected_only"  # the wearer is asked, nobody else is told
    SILENCED = "silenced"  # a silence of the registry holds: until when and why stands there
    INFO_ONLY = "info_only"  # severity info
    DEVICE_FINDING = "device_finding"
    WITHDRAWN = "withdrawn"
    WEARER_CANCELLED = "wearer_cancelled"
