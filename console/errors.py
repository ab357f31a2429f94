"""What can go wrong in this room. One root; each carries the offending value and says what to do next."""

from __future__ import annotations

from enum import StrEnum

#: Shorter ones are refused by alerts too.
LINK_KEY_LENGTH = 16


class ConsoleError(Exception):
    """Root of this package's errors."""


class NotLoopbackError(ConsoleError):
    """The console was asked to listen where others than this machine can reach it."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the console does not listen on {host!r} without logins: anybody who reaches it could read names and "
            "addresses and acknowledge alerts. Set console.login to true, or use 127.0.0.1 and an SSH tunnel "
            "(docs/console-access.md)"
        )
        self.host = host


class BadHostError(ConsoleError):
    """An address to listen on that is none."""

    def __init__(self, host: str) -> None:
        super().__init__(f"the console cannot listen on {host!r}: give a numeric address, 127.0.0.1 or 0.0.0.0 or ::")
        self.host = host


class UnknownTimeZoneError(ConsoleError):
    """A time zone that this machine's database does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no time zone {name!r}: use a name like Asia/Shanghai or Europe/Berlin (tz database)")
        self.name = name


class UnknownLanguageError(ConsoleError):
    """A language that the console has no texts in."""

    def __init__(self, language: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no texts in {language!r}: the console speaks {', '.join(known)}")
        self.language = language


class BadPublicUrlError(ConsoleError):
    """A public address that is none."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url!r} is no address for links: it must look like https://care.example.org")
        self.url = url


class BadLinkKeyError(ConsoleError):
    """A key that signs no links."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"the key of the links has {length} characters: give it at least {LINK_KEY_LENGTH}, random ones"
        )
        self.length = length


class BadReplySettingError(ConsoleError):
    """A setting of replies that cannot work."""

    def __init__(self, setting: str, advice: str) -> None:
        super().__init__(f"{setting} {advice}")
        self.setting = setting


class ReplyFault(StrEnum):
    """Why a reply is not taken."""

    UNSIGNED = "unsigned"
    FORGED = "forged"  # the signature does not fit what was sent
    STALE = "stale"  # signed too long ago, or in the future
    UNREADABLE = "unreadable"  # signed, but no reply
    TOO_LONG = "too_long"


class ReplyError(ConsoleError):
    """A reply that is not taken; ``fault`` says why. Nothing of what was sent is repeated."""

    def __init__(self, fault: ReplyFault) -> None:
        advice = {
            ReplyFault.UNSIGNED: "it has no signature: sign it with the secret of the settings",
            ReplyFault.FORGED: "its signature does not fit: check the secret, and that the address which is signed is "
            "that of alerts.public_url",
            ReplyFault.STALE: "it was signed more than five minutes from now: check the clocks of both machines",
            ReplyFault.UNREADABLE: "it is signed but no reply: see docs/alerts.md for what is taken",
            ReplyFault.TOO_LONG: "it is longer than any reply",
        }
        super().__init__(advice[fault])
        self.fault = fault
