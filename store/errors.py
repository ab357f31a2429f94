"""What can go wrong with a store. One root."""

from __future__ import annotations


class StoreError(Exception):
    """Root of this package's errors. Nothing was lost: what was to be written may be written again later."""


class SchemaError(StoreError, ValueError):
    """A measurement, tag, field or bucket that :mod:`store.schema` does not name, or a column of the wrong kind."""


class StoreUnavailable(StoreError):  # noqa: N818 - says what is the case
    """The store cannot answer now; the same call may succeed later.

    ``retry_after_s`` is what the server asked for (``Retry-After``), or None where it said nothing.
    """

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class StoreMisconfigured(StoreError):  # noqa: N818 - says what is the case
    """The store answers, but not to us: token, bucket or address are wrong. An operator must act; the text says how."""
