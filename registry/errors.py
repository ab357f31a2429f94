"""What can go wrong in this room. One root; each carries the offending value and says what to do next."""

from __future__ import annotations


class RegistryError(Exception):
    """Root of this package's errors."""


class UnknownAreaError(RegistryError):
    """An area path that the registry does not have."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no area {path!r} in the registry: import it, or correct the path")
        self.path = path


class NoFolderError(RegistryError):
    """The folder to import does not exist or holds none of the files."""

    def __init__(self, folder: str, detail: str) -> None:
        super().__init__(f"{folder}: {detail}")
        self.folder = folder


class UnsupportedDatabaseError(RegistryError):
    """A database URL of another kind than SQLite and PostgreSQL."""

    def __init__(self, dialect: str) -> None:
        super().__init__(f"database {dialect!r} is not supported: use sqlite:///path or postgresql+psycopg://host/name")
        self.dialect = dialect


class RosterError(RegistryError):
    """Something of a roster that means nothing: hours, a time, a calendar."""

    def __init__(self, value: str, detail: str) -> None:
        super().__init__(f"{value!r} {detail}")
        self.value = value


class CalendarError(RosterError):
    """A calendar that cannot be used. ``line`` is the line of its text, 0 for the whole."""

    def __init__(self, value: str, detail: str, line: int) -> None:
        super().__init__(value, detail)
        self.line = line


class BadKeyError(RegistryError):
    """A key that is none. ``number`` counts from 1; the key itself is not said."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__(f"key {number} {detail}")
        self.number = number


class SealedError(RegistryError):
    """Something sealed that cannot be opened. ``place`` is where it stands, ``key`` the id of the key it needs."""

    def __init__(self, place: str, key: str, detail: str) -> None:
        super().__init__(f"{place} is encrypted with key {key}, {detail}")
        self.place = place
        self.key = key


class ThresholdError(RegistryError):
    """A limit of a person that cannot be set. ``changed``: somebody else has changed it meanwhile."""

    def __init__(self, name: str, value: str, detail: str, *, changed: bool = False) -> None:
        super().__init__(f"{name} {value!r} {detail}")
        self.name = name
        self.value = value
        self.changed = changed


class OutdatedError(RegistryError):
    """The registry has changed since it was looked at."""

    def __init__(self, expected: int, revision: int) -> None:
        super().__init__(f"the registry is at revision {revision}, and {expected} was looked at: look again")
        self.expected = expected
        self.revision = revision
