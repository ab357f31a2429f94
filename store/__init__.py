"""Keeps the time series: one interface, InfluxDB for districts and an embedded SQLite file for one small machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from store.errors import SchemaError, StoreError, StoreMisconfigured, StoreUnavailable
from store.interface import Rejected, Series, Store

__all__ = [
    "Rejected",
    "SchemaError",
    "Series",
    "Store",
    "StoreError",
    "StoreMisconfigured",
    "StoreUnavailable",
    "open_store",
]


def open_store(url: str, *, token: str = "", org: str = "", timeout_s: float = 10.0) -> Store:
    """The store at ``url``: ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``http(s)://host:port``.

    For InfluxDB nothing is contacted yet (:meth:`Store.check` does); ``token`` is the API token (``user:password`` on
    1.8), ``org`` the organisation's name, ``timeout_s`` what one request may take. A SQLite file is opened, and made
    where it is missing.

    Raises:
        StoreMisconfigured: the address is of neither kind, or the file cannot be opened.
        StoreUnavailable: the SQLite file is locked for long, or the disk is full.
    """
    scheme = urlsplit(url).scheme
    if scheme == "sqlite" and url.startswith("sqlite:///") and len(url) > len("sqlite:///"):
        from store.sqlite import SqliteStore

        return SqliteStore(Path(url.removeprefix("sqlite:///")))
    if scheme in ("http", "https"):
        from store.influx import InfluxStore

        return InfluxStore(url, token=token, org=org, timeout_s=timeout_s)
    raise StoreMisconfigured(f"store address {url!r} is neither sqlite:///path nor http(s)://host:port")
