"""What can go wrong with users and access. Each carries the offending value and says what to do next."""

from __future__ import annotations

from console.errors import ConsoleError


class AccessError(ConsoleError):
    """Root of this package's errors."""


class MissingRuleError(AccessError):
    """A route that does not say who may come to it."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(
            f"the route {endpoint} declares no rule: decorate it with @allow(...) of console.access.rules, so that it "
            "is known who may see it"
        )
        self.endpoint = endpoint


class BadUserError(AccessError):
    """A user as they cannot be. ``fault`` is the id of the text that says why, with ``value`` to fill in."""

    def __init__(self, fault: str, value: str, advice: str) -> None:
        super().__init__(f"{value!r}: {advice}" if value else advice)
        self.fault = fault
        self.value = value


class UnknownUserError(AccessError):
    """Nobody has that login name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no user {name!r}: `carecircle users list` has all")
        self.name = name


class BadPasswordError(AccessError):
    """A new password that is none. ``fault`` is ``short``, ``long``, ``common`` or ``name``."""

    def __init__(self, fault: str) -> None:
        super().__init__(
            {
                "short": "the password is too short: at least 10 characters",
                "long": "the password is too long: at most 256 characters",
                "common": "the password is one of those that are tried first: take another",
                "name": "the password contains the name: take another",
            }[fault]
        )
        self.fault = fault


class ProviderError(AccessError):
    """The login at the OpenID Connect provider did not come about; ``detail`` is for the log."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"no login over OpenID Connect: {detail}")
        self.detail = detail
