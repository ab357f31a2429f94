"""Talking to InfluxDB: what an answer means, and InfluxQL over ``POST /query``.

InfluxQL works on InfluxDB 1.8, 2.x and 3 Core; Flux does not. Values are bound parameters, never part of the text.
"""

from __future__ import annotations

import email.utils
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import urllib3

from store.errors import StoreError, StoreMisconfigured, StoreUnavailable

_MAX_DETAIL = 500
_PASSING_WORDS = ("timeout", "timed out", "max-concurrent-queries", "engine is closed", "queue is full")


class QuerySeries(msgspec.Struct):
    """One series of an InfluxQL answer; ``values`` are rows in the order of ``columns``."""

    columns: list[str]
    name: str = ""
    tags: dict[str, str] = {}
    values: list[list[Any]] = []


class _Result(msgspec.Struct):
    series: list[QuerySeries] = []
    error: str | None = None


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str | None = None


_answer = msgspec.json.Decoder(_Answer)


class InfluxHttp:
    """The requests that influxdb-client has no call for. Safe to use from several threads."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Token {token}"}
        self._pool = urllib3.PoolManager(
            maxsize=8, retries=False, timeout=urllib3.Timeout(connect=min(timeout_s, 5.0), read=timeout_s)
        )

    def query(
        self, text: str, *, database: str = "", params: Mapping[str, str] | None = None, epoch: str = "ms"
    ) -> list[QuerySeries]:
        """All series of all statements. Raises StoreUnavailable, StoreMisconfigured, StoreError."""
        response = self._post_query(text, database, params, epoch)
        return [series for line in [response.data] for series in _series(line, self.url)]

    def query_in_chunks(
        self, text: str, *, database: str, params: Mapping[str, str] | None = None, epoch: str = "ms"
    ) -> Iterator[QuerySeries]:
        """As :meth:`query`, but as the server produces it: one series may come in several parts."""
        response = self._post_query(text, database, params, epoch, chunked=True)
        try:
            for line in _lines(response):
                yield from _series(line, self.url)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailable(f"{self.url} broke off its answer: {error}") from error
        finally:
            response.release_conn()

    def _post_query(
        self, text: str, database: str, params: Mapping[str, str] | None, epoch: str, *, chunked: bool = False
    ) -> urllib3.BaseHTTPResponse:
        form = {"q": text, "epoch": epoch}
        if database:
            form["db"] = database
        if params:
            form["params"] = msgspec.json.encode(dict(params)).decode()
        if chunked:
            form["chunked"] = "true"
        return self._request("/query", fields=form, preload_content=not chunked)

    def delete(self, bucket: str, org: str, predicate: str) -> bool:
        """Delete by predicate, all time, as 2.x has it; False where the server has no such call (1.x)."""
        body = {"start": "1677-09-22T00:00:00Z", "stop": "2262-04-11T00:00:00Z", "predicate": predicate}
        query = urllib.parse.urlencode({"org": org, "bucket": bucket})
        try:
            self._request(f"/api/v2/delete?{query}", body=msgspec.json.encode(body))
        except _NoSuchCallError:
            return False
        return True

    def _request(
        self,
        path: str,
        *,
        fields: dict[str, str] | None = None,
        body: bytes | None = None,
        preload_content: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(
                "POST",
                self.url + path,
                fields=fields,
                body=body,
                headers=self._headers | ({"Content-Type": "application/json"} if body else {}),
                encode_multipart=False,
                preload_content=preload_content,
            )
            if response.status not in (200, 204):
                detail = response.data.decode("utf-8", "replace")
                if response.status == 404 and not detail.lstrip().startswith("{"):
                    raise _NoSuchCallError(f"{self.url} has no {path}: is it an InfluxDB?")
                raise failure(self.url, response.status, detail, response.headers)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(self.url, error) from error
        return response

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


class _NoSuchCallError(StoreMisconfigured):
    """The server answers 404 in plain text: it has no such path."""


def unreachable(url: str, error: Exception) -> StoreError:
    """What a failure without an answer means."""
    if isinstance(error, (urllib3.exceptions.SSLError, urllib3.exceptions.LocationValueError)):
        return StoreMisconfigured(f"{url}: {error}: check the address and the certificate")
    return StoreUnavailable(f"{url} does not answer: {error}")


def failure(url: str, status: int, body: str, headers: Mapping[str, str]) -> StoreError:
    """What an answer other than success means for whoever asked."""
    detail = _message(body)
    if status in (401, 403):
        return StoreMisconfigured(
            f"{url} refused the token ({status}: {detail}): set one that may read and write the buckets; see "
            "docs/store.md"
        )
    if status == 404:
        return StoreMisconfigured(
            f"{url}: {detail or 'not found'}: a bucket or its DBRP mapping is missing; make it as docs/store.md shows"
        )
    if status in (408, 429) or status >= 500:
        return StoreUnavailable(f"{url} answered {status}: {detail}", _retry_after_s(headers.get("Retry-After")))
    return StoreError(f"{url} answered {status}: {detail}")


def _series(line: bytes, url: str) -> list[QuerySeries]:
    """The series of one JSON document; an error stands at its top or within a statement that came with 200."""
    try:
        answer = _answer.decode(line)
    except msgspec.DecodeError as error:
        raise StoreMisconfigured(f"{url} does not answer like InfluxDB: {error}; check the address") from error
    found: list[QuerySeries] = []
    for message in (answer.error, *(result.error for result in answer.results)):
        if message is not None:
            raise _statement_failure(url, message)
    for result in answer.results:
        found += result.series
    return found


def _statement_failure(url: str, message: str) -> StoreError:
    lowered = message.lower()
    if "database not found" in lowered or "retention policy not found" in lowered or "dbrp" in lowered:
        return failure(url, 404, message, {})
    if "authoriz" in lowered:
        return failure(url, 403, message, {})
    if any(words in lowered for words in _PASSING_WORDS):
        return StoreUnavailable(f"{url}: {message}")
    return StoreError(f"{url}: {message}")


def _message(body: str) -> str:
    """The text of an error body: ``message`` on 2.x, ``error`` on 1.x, or whatever a proxy wrote."""
    try:
        parsed = msgspec.json.decode(body.encode())
    except msgspec.DecodeError:
        parsed = None
    if isinstance(parsed, dict):
        body = str(parsed.get("message") or parsed.get("error") or body)
    return body.strip()[:_MAX_DETAIL]


def _retry_after_s(text: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header, which is a number or a date (RFC 9110, 10.2.3)."""
    if not text:
        return None
    try:
        return max(float(int(text)), 0.0)
    except ValueError:
        pass
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """The JSON documents of a chunked answer; one stands on each line."""
    rest = b""
    for part in response.stream(1 << 16):
        *whole, rest = (rest + part).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest
