"""What can go wrong in this room. One root; each carries the offending value and says what to do next."""

from __future__ import annotations

#: Shorter ones are refused by alerts too.
LINK_KEY_LENGTH = 16


class ConsoleError(Exception):
    """Root of this package's errors."""


class NotLoopbackError(ConsoleError):
    """The console was asked to listen where others than this machine can reach it."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"the console does not listen on {host!r}: it has no users and roles yet, so anybody who reaches it could "
            "read names and addresses and acknowledge alerts. Use 127.0.0.1; on another machine, come through an SSH "
            "tunnel; for acknowledgement links, let a reverse proxy pass on /ack/ and /static/ (docs/console.md)"
        )
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
