"""What can go wrong between us and an InfluxDB, each on a real one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from store import Store, StoreError, StoreMisconfigured, StoreUnavailable, open_store
from store.influx import InfluxStore
from telemetry.records import PointBatch
from tests.servers.influxdb import InfluxServer
from tests.store.points import T0_MS, batch, noise

ALL = {"start_ms": T0_MS - 60_000, "end_ms": T0_MS + 7_200_000}
N = 5_000


def _points(n: int = N) -> PointBatch:
    """One value every second, one device."""
    return batch(
        "vitals", [i * 1000 for i in range(n)], {"device": "d1", "person": "p-1"}, hr=[60.0 + i for i in range(n)]
    )


def _stored(store: Store) -> int:
    return len(store.range("vitals", ["hr"], tags={"device": "d1"}, **ALL, points=20_000))


@pytest.mark.parametrize(
    ("status", "retry_after", "expected_s"),
    [(503, True, 2.0), (429, True, 2.0), (503, False, None), (429, False, None)],
)
def test_a_server_that_asks_for_patience_is_unavailable_for_as_long(
    influx: InfluxServer, influx_store: Store, status: int, retry_after: bool, expected_s: float | None
) -> None:
    """Retry-After is handed on; reads are told the same; afterwards the same batch goes in."""
    with influx.pause(status, retry_after=retry_after):
        with pytest.raises(StoreUnavailable) as caught:
            influx_store.write(_points(10))
        assert caught.value.retry_after_s == expected_s
        assert str(status) in str(caught.value)
        with pytest.raises(StoreUnavailable):
            _stored(influx_store)
        with pytest.raises(StoreUnavailable):
            influx_store.check()
    assert influx_store.write(_points(10)) == []
    assert _stored(influx_store) == 10


def test_a_stopped_server_is_unavailable_and_then_goes_on(influx: InfluxServer, influx_store: Store) -> None:
    """Connection refused, then the same store object works again and nothing is missing."""
    influx_store.write(_points(10))
    influx.stop()
    for call in (lambda: influx_store.write(_points(20)), lambda: _stored(influx_store), influx_store.check):
        with pytest.raises(StoreUnavailable):
            call()
    influx.start()
    influx_store.write(_points(20))
    assert _stored(influx_store) == 20


def test_a_killed_influxd_keeps_every_point_it_took(influx: InfluxServer, influx_store: Store) -> None:
    """SIGKILL between and behind writes; nginx answers 502 meanwhile."""
    for part in range(4):
        taken = noise(devices=50, points=40, seed=part)
        shifted = PointBatch(taken.measurement, taken.t_ns + part * 400_000 * 1_000_000, taken.tags, taken.fields)
        assert influx_store.write(shifted) == []
        influx.kill()
        with pytest.raises(StoreUnavailable):
            influx_store.write(shifted)
        influx.start()
    values = sum(np.count_nonzero(~np.isnan(noise(50, 40, seed=s).fields["steps"])) for s in range(4))
    assert influx.count("motion", "steps") == values


def test_a_server_that_never_answers_is_unavailable_after_the_timeout() -> None:
    """It takes the connection and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = open_store(f"http://127.0.0.1:{silent.getsockname()[1]}", token="t", timeout_s=0.3)
        begin = time.monotonic()
        with pytest.raises(StoreUnavailable):
            store.write(_points(1))
        with pytest.raises(StoreUnavailable):
            store.check()
        assert time.monotonic() - begin < 3
        store.close()


def _bad_rows(influx: InfluxServer) -> dict[str, int]:
    """Times (ns) that this server refuses, each for another reason that our own checks cannot know."""
    influx.query('ALTER RETENTION POLICY "autogen" ON telem DURATION 60d')
    # An older program wrote hr as an integer four weeks ago; another shard, so today's points are not concerned.
    old_ms = T0_MS - 28 * 86_400_000
    influx.write_line(f"vitals,device=d1,person=p-1 hr=60i {old_ms * 1_000_000}")
    return {
        "field type conflict": (old_ms + 1000) * 1_000_000,
        "beyond retention policy": (T0_MS - 100 * 86_400_000) * 1_000_000,
        "time outside range": int(np.iinfo(np.int64).min),
    }


@pytest.mark.parametrize("place", [0, 2_345, N - 1])
@pytest.mark.parametrize("reason", ["field type conflict", "beyond retention policy", "time outside range"])
def test_a_bad_line_among_5000_is_rejected_alone(
    influx: InfluxServer, influx_store: Store, reason: str, place: int
) -> None:
    """All others are stored, exactly that row comes back with the server's words."""
    points = _points()
    points.t_ns[place] = _bad_rows(influx)[reason]
    rejected = influx_store.write(points)
    assert [row.row for row in rejected] == [place]
    assert reason in rejected[0].detail
    assert _stored(influx_store) == N - 1


def test_several_bad_lines_are_each_rejected(influx: InfluxServer, influx_store: Store) -> None:
    """Next to each other and apart, beside an infinite number that never leaves the house and an empty point."""
    points = _points()
    bad = [0, 1, 77, 2_500, 2_501, N - 1]
    points.t_ns[bad] = _bad_rows(influx)["beyond retention policy"] + np.arange(len(bad))
    hr = points.fields["hr"]
    assert isinstance(hr, np.ndarray)
    hr[50], hr[60] = np.inf, np.nan
    assert [row.row for row in influx_store.write(points)] == sorted([*bad, 50])
    assert influx_store.empty_points == 1
    assert _stored(influx_store) == N - 8


class _AllOrNothingStore(InfluxStore):
    """As 2.x does it: a request with a bad line is refused whole. The 1.x behind us stores the good lines of it."""

    def _post(self, bucket: str, body: bytes) -> str | None:
        if b" -9223372036854775808" in body:
            return "refused whole"
        return super()._post(bucket, body)


def test_good_lines_of_a_request_refused_whole_are_stored(influx: InfluxServer) -> None:
    """Nothing may hang on partial acceptance."""
    store = _AllOrNothingStore(influx.url, token=influx.token, org=influx.org)
    points = _points()
    bad = [3, 999, 1_000, 4_998]
    points.t_ns[bad] = np.iinfo(np.int64).min
    assert [row.row for row in store.write(points)] == bad
    assert _stored(store) == N - len(bad)
    store.close()


@pytest.fixture
def narrow_store(influx: InfluxServer) -> Iterator[Store]:
    """A store whose server answers 413 to bodies over 20 kB."""
    store = open_store(influx.narrow_url, token=influx.token, org=influx.org)
    yield store
    store.close()


def test_a_body_that_is_too_large_is_sent_in_parts(narrow_store: Store) -> None:
    """413 splits like a bad line does, without rejecting anything."""
    assert narrow_store.write(_points()) == []
    assert _stored(narrow_store) == N


def test_a_single_point_that_is_too_large_is_rejected(influx: InfluxServer, narrow_store: Store) -> None:
    """It can never be stored; its neighbours are."""
    words = ["1.0", "x" * 30_000, "1.1"]
    rejected = narrow_store.write(batch("device", [0, 1000, 2000], {"device": "d1"}, fw=words))
    assert [row.row for row in rejected] == [1]
    assert "413" in rejected[0].detail
    assert influx.count("device", "fw") == 2


def test_a_missing_bucket_is_found_by_check_and_loses_nothing(influx: InfluxServer, influx_store: Store) -> None:
    """The error names the bucket and what makes it; when it is there the same write goes in."""
    influx.drop_bucket("telem")
    with pytest.raises(StoreMisconfigured, match=r"no bucket telem .*docs/store.md"):
        influx_store.check()
    with pytest.raises(StoreMisconfigured, match="bucket"):
        influx_store.write(_points(10))
    with pytest.raises(StoreMisconfigured, match="telem"):
        _stored(influx_store)
    with pytest.raises(StoreMisconfigured):
        influx_store.latest("vitals", ["hr"], by="device")
    influx.create_buckets(["telem"])
    influx_store.check()
    assert influx_store.write(_points(10)) == []
    assert _stored(influx_store) == 10


@pytest.mark.parametrize("token", ["care:wrong", "nobody:secret", "no-such-shape", ""])
def test_a_wrong_token_is_an_operators_matter_and_rejects_no_point(influx: InfluxServer, token: str) -> None:
    """StoreMisconfigured, never Rejected: the points must wait."""
    store = open_store(influx.url, token=token, org="x")
    for call in (lambda: store.write(_points(10)), store.check, lambda: _stored(store)):
        with pytest.raises(StoreMisconfigured, match="token"):
            call()
    with pytest.raises(StoreError):
        store.delete_person("p-1")
    store.close()


def test_an_error_within_a_200_and_one_at_the_top_are_both_seen(influx_store: Store) -> None:
    """InfluxQL answers 200 with an error per statement, and 400 for what it cannot parse."""
    assert isinstance(influx_store, InfluxStore)
    with pytest.raises(StoreError, match="found SELEC"):
        influx_store._http.query("SELEC 1", database="telem")
    with pytest.raises(StoreError, match="user not found"):
        influx_store._http.query("DROP USER nobody")
    with pytest.raises(StoreMisconfigured):
        list(influx_store._http.query_in_chunks('SELECT * FROM "vitals"', database="nowhere"))


def test_an_address_that_is_no_influxdb_is_said_to_be_none() -> None:
    """A web server that answers 200 to everything, an address nobody has, one that is none."""
    import http.server
    import threading

    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "15")
            self.end_headers()
            self.wfile.write(b"<html>Hi</html>")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store = open_store(f"http://127.0.0.1:{server.server_address[1]}", token="t")
        with pytest.raises(StoreMisconfigured, match="does not answer like InfluxDB"):
            store.check()
        store.close()
        server.shutdown()
    for address in ("influx", "sqlite://store.db", "ftp://x", ""):
        with pytest.raises(StoreMisconfigured, match="neither"):
            open_store(address)
    with pytest.raises(StoreMisconfigured, match="token"):
        open_store("http://127.0.0.1:1", token="töken")


def test_a_roll_up_streams_more_points_than_one_write_takes(influx: InfluxServer, influx_store: Store) -> None:
    """60 devices for 110 minutes are 6,600 windows: several parts of an answer, several writes."""
    points = noise(devices=60, points=110, step_ms=60_000)
    influx_store.write(points)
    written = influx_store.rollup(
        "motion", start_ms=T0_MS, end_ms=T0_MS + 7_200_000, step_s=60, source_bucket="telem", target_bucket="telem_1m"
    )
    assert written == 6_600
    column = points.fields["enmo_g"]
    assert isinstance(column, np.ndarray)
    values = np.count_nonzero(~np.isnan(column))
    assert influx.count("motion", "enmo_g_mean", bucket="telem_1m") == values
    (result,) = influx.query('SELECT sum("enmo_g_count"), min("enmo_g_count") FROM "motion"', database="telem_1m")
    assert result["series"][0]["values"][0][1:] == [values, 1], "an absent field has no count of 0"


def test_the_lines_are_floats_to_the_server(influx: InfluxServer, influx_store: Store) -> None:
    """A whole number written first must not make an integer field."""
    influx_store.write(
        PointBatch("vitals", np.array([T0_MS * 1_000_000]), {}, {"hr": np.array([60]), "o2": np.ones(1)})
    )
    (result,) = influx.query("SHOW FIELD KEYS FROM vitals")
    assert sorted(result["series"][0]["values"]) == [["hr", "float"], ["o2", "float"]]
