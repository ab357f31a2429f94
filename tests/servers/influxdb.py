"""A real InfluxDB as child processes: influxd 1.6 and, in front of it, nginx that speaks the v2 write path.

Debian's influxdb has no ``/api/v2/write``; nginx maps bucket, precision and token to what 1.x knows, and injects
faults. Everything else (``/query``, ``/ping``) goes through to influxd as it is. A token is ``user:password``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest

from tests.servers.ports import free_port, wait_for_port
from tests.servers.require import require

#: The buckets of store/schema.py. The fixture must not depend on what it tests.
BUCKETS = ("telem_raw", "telem", "telem_1m", "telem_1h")
_USER, _PASSWORD = "care", "secret"
#: nginx must not take more than influxd does: influxd would cut the connection, which looks like a passing fault.
_MAX_BODY = 2_000_000
_NARROW_BODY = 20_000

_INFLUX_CONF = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  index-version = "tsi1"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{influx_port}"
  auth-enabled = true
  log-enabled = false
  max-body-size = {max_body}
[logging]
  level = "error"
[monitor]
  store-enabled = false
[continuous_queries]
  enabled = false
"""

_LOCATIONS = """\
    location = /api/v2/write {{
      if ($v1_db = "") {{ return 404 '{{"code":"not found","message":"no bucket given"}}'; }}
      {faults}
      proxy_set_header Authorization "";
      proxy_pass http://influxd/write?db=$v1_db&rp=$v1_rp&precision=$v1_precision&u=$v1_user&p=$v1_password;
    }}
    location = /query {{
      {faults}
      proxy_set_header Authorization "";
      proxy_pass http://influxd/query?$args&u=$v1_user&p=$v1_password;
    }}
    location / {{ proxy_pass http://influxd; }}
"""

_FAULT = """\
if (-f {folder}/fault-{status}) {{ return {status} '{{"code":"unavailable","message":"injected"}}'; }}
      if (-f {folder}/fault-{status}-retry-after) {{
        add_header Retry-After 2 always;
        return {status} '{{"code":"unavailable","message":"injected"}}';
      }}
"""

_NGINX_CONF = """\
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/tmp-body;
  proxy_temp_path {folder}/tmp-proxy;
  fastcgi_temp_path {folder}/tmp-fastcgi;
  uwsgi_temp_path {folder}/tmp-uwsgi;
  scgi_temp_path {folder}/tmp-scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_read_timeout 60s;
  map $arg_bucket $v1_db {{ default ""; "~^(?<db>[^/%]+)(?:(?:/|%2[Ff]).*)?$" $db; }}
  map $arg_bucket $v1_rp {{ default ""; "~^[^/%]+(?:/|%2[Ff])(?<rp>.*)$" $rp; }}
  map $arg_precision $v1_precision {{ default $arg_precision; "ns" "n"; "us" "u"; "" "n"; }}
  map $http_authorization $v1_user {{ default ""; "~^Token (?<user>[^:]+):.*$" $user; }}
  map $http_authorization $v1_password {{ default ""; "~^Token [^:]+:(?<password>.*)$" $password; }}
  upstream influxd {{ server 127.0.0.1:{influx_port} max_fails=0; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size {max_body};
{locations}
  }}
  server {{
    listen 127.0.0.1:{narrow_port};
    client_max_body_size {narrow_body};
{locations}
  }}
}}
"""


class InfluxServer:
    """One InfluxDB with the four buckets. Ports, token and data stay the same over stop, kill and start.

    Attributes:
        url: of the front door. ``narrow_url`` is another one that takes bodies of 20 kB only (413).
        token: for ``open_store``; ``org`` means nothing to this server.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.narrow_port, self._influx_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.narrow_url = f"http://127.0.0.1:{self.narrow_port}"
        self.token = f"{_USER}:{_PASSWORD}"
        self.org = "carecircle"
        self._influxd: subprocess.Popen[bytes] | None = None
        self._nginx: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "influx.conf").write_text(
            _INFLUX_CONF.format(folder=folder, rpc_port=free_port(), influx_port=self._influx_port, max_body=_MAX_BODY)
        )
        faults = "      ".join(_FAULT.format(folder=folder, status=status) for status in (429, 503))
        (folder / "nginx.conf").write_text(
            _NGINX_CONF.format(
                folder=folder,
                port=self.port,
                narrow_port=self.narrow_port,
                influx_port=self._influx_port,
                max_body=_MAX_BODY,
                narrow_body=_NARROW_BODY,
                locations=_LOCATIONS.format(faults=faults),
            )
        )
        self._is_new = True

    def start(self) -> None:
        """Start what is not running and return when it answers."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        if self._influxd is None:
            self._influxd = self._spawn("influxd", "-config", str(self.folder / "influx.conf"))
        if self._nginx is None:
            configuration = str(self.folder / "nginx.conf")
            self._nginx = self._spawn("nginx", "-e", str(self.folder / "nginx.log"), "-c", configuration)
        wait_for_port(self._influx_port)
        wait_for_port(self.port)
        if self._is_new:
            self.query(f"CREATE USER {_USER} WITH PASSWORD '{_PASSWORD}' WITH ALL PRIVILEGES")
            self.create_buckets()
            self._is_new = False

    def _spawn(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        path = require(program)
        with (self.folder / f"{program}.out").open("ab") as out:
            return subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def stop(self) -> None:
        """Stop both in good order: connections are refused until :meth:`start`."""
        _end(self._nginx, signal.SIGTERM)
        _end(self._influxd, signal.SIGTERM)
        self._nginx = self._influxd = None

    def kill(self) -> None:
        """SIGKILL influxd alone; nginx answers 502 until :meth:`start`."""
        _end(self._influxd, signal.SIGKILL)
        self._influxd = None

    @contextlib.contextmanager
    def pause(self, status: int = 503, *, retry_after: bool = False) -> Iterator[None]:
        """Answer every request with ``status`` (429 or 503) meanwhile, with ``Retry-After: 2`` if asked for."""
        flag = self.folder / f"fault-{status}{'-retry-after' if retry_after else ''}"
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

    def create_buckets(self, names: Sequence[str] = BUCKETS) -> None:
        """Fresh, empty databases under these names."""
        self.query("; ".join(f"DROP DATABASE {name}; CREATE DATABASE {name}" for name in names))

    def drop_bucket(self, name: str) -> None:
        """Remove one database."""
        self.query(f"DROP DATABASE {name}")

    def query(self, text: str, *, database: str = "telem") -> list[dict[str, Any]]:
        """The results of InfluxQL statements sent to influxd itself, past nginx; raises RuntimeError on an error."""
        form = {"q": text, "db": database, "epoch": "ns"}
        address = f"http://127.0.0.1:{self._influx_port}/query?u={_USER}&p={_PASSWORD}"
        try:
            with urllib.request.urlopen(address, urllib.parse.urlencode(form).encode(), timeout=30) as answer:
                results: list[dict[str, Any]] = msgspec.json.decode(answer.read())["results"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{text}: {error.code} {error.read()!r}") from error
        for result in results:
            if "error" in result:
                raise RuntimeError(f"{text}: {result['error']}")
        return results

    def write_line(self, line: str, *, database: str = "telem") -> None:
        """Write one line to influxd itself, as another program would."""
        address = f"http://127.0.0.1:{self._influx_port}/write?db={database}&u={_USER}&p={_PASSWORD}"
        urllib.request.urlopen(address, line.encode(), timeout=30).close()

    def count(self, measurement: str, field: str, *, bucket: str = "telem") -> int:
        """How many values of a field are stored."""
        (result,) = self.query(f'SELECT count("{field}") FROM "{measurement}"', database=bucket)
        return int(result["series"][0]["values"][0][1]) if "series" in result else 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _end(process: subprocess.Popen[bytes] | None, number: int) -> None:
    if process is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    # A port is free for the next start only when the kernel has let go of it.
    time.sleep(0.01)


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """One running InfluxDB for the whole session; most tests want ``influx``."""
    require("influxd")
    require("nginx")
    with InfluxServer(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def influx(influx_server: InfluxServer) -> InfluxServer:
    """A running InfluxDB whose four buckets are empty."""
    influx_server.start()
    influx_server.create_buckets()
    return influx_server
