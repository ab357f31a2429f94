"""The way to the time series: opened when a page first needs it, and again later when it was not there."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from store import Store, StoreError, open_store

_log = logging.getLogger(__name__)

#: A page must not wait long for a store that does not answer.
_TIMEOUT_S = 4.0
_AGAIN_S = 5.0
_SQLITE = "sqlite:///"


class Points:
    """The store of a console, safe to be asked from several threads.

    Args:
        url: as ``store.open_store`` takes it; "" for a console without one.
        token, org: of InfluxDB.
    """

    def __init__(self, url: str, *, token: str = "", org: str = "") -> None:
        self._url, self._token, self._org = url, token, org
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._tried_s = float("-inf")

    @property
    def configured(self) -> bool:
        """Whether there should be one."""
        return bool(self._url)

    def store(self) -> Store | None:
        """The store; None while there is none: no address, no file yet, or it cannot be opened."""
        if self._store is not None or not self._url:
            return self._store
        with self._lock:
            if self._store is None and time.monotonic() - self._tried_s >= _AGAIN_S:
                self._store = self._open()
                self._tried_s = time.monotonic() if self._store is None else float("-inf")
            return self._store

    def _open(self) -> Store | None:
        # the file is the writer's to make
        if self._url.startswith(_SQLITE) and not Path(self._url.removeprefix(_SQLITE)).exists():
            return None
        try:
            return open_store(self._url, token=self._token, org=self._org, timeout_s=_TIMEOUT_S)
        except StoreError as error:
            _log.warning("the pages go on without the time series: %s", error)
            return None

    def close(self) -> None:
        """Release connections."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
