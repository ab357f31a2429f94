"""A real mosquitto as a child process: own folder, free port of 127.0.0.1, stopped by whoever started it."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.servers.ports import free_port, wait_for_port
from tests.servers.require import require

#: Few rounds: the tests log in often and guess nothing.
_ITERATIONS = 101


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one test authority: ``cert``/``key`` for the server, ``client_cert``/``client_key`` for a client."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


def make_tls(directory: Path) -> TlsFiles:
    """A fresh authority with a server certificate for 127.0.0.1 and localhost and a client certificate."""
    import trustme

    directory.mkdir(parents=True, exist_ok=True)
    files = TlsFiles(*(directory / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")))
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(files.ca))
    for certificate, cert, key in (
        (authority.issue_cert("127.0.0.1", "localhost"), files.cert, files.key),
        (authority.issue_cert("client.invalid", common_name="client"), files.client_cert, files.client_key),
    ):
        certificate.private_key_pem.write_to_path(str(key))
        for n, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(str(cert), append=n > 0)
    return files


def password_line(user: str, password: str) -> str:
    """A line of mosquitto's password file (PBKDF2 with SHA-512, mark ``$7$``)."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"{user}:$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


class Mosquitto:
    """One broker. Start it with ``start()`` or as a context manager; ``port`` stays the same over restarts.

    ``passwords`` (user -> password) forbids anonymous clients; ``acl`` is the text of an ACL file; ``tls`` makes the
    listener a TLS one; ``options`` are further lines of the configuration and win over the defaults here;
    ``config`` runs a complete configuration file as it stands instead of all that (its listener must be on ``port``).
    """

    def __init__(
        self,
        directory: Path,
        *,
        passwords: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: TlsFiles | None = None,
        require_client_certificate: bool = False,
        persistence: bool = True,
        options: Sequence[str] = (),
        config: Path | None = None,
        port: int | None = None,
    ) -> None:
        self.program = require("mosquitto")
        self.directory = directory
        self.port = free_port() if port is None else port
        self.tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "mosquitto.log"
        directory.mkdir(parents=True, exist_ok=True)
        self._port_is_ours = config is None and port is None
        if config is not None:
            self.config = config
            return
        self.config = directory / "mosquitto.conf"
        lines = {
            "listener": f"{self.port} 127.0.0.1",
            "allow_anonymous": "true" if passwords is None else "false",
            "max_queued_messages": "0",
            "max_queued_bytes": "0",
            "max_inflight_messages": "1000",
            "persistence": "true" if persistence else "false",
        }
        if persistence:
            lines |= {"persistence_location": f"{directory}/", "autosave_interval": "1800"}
        if os.geteuid() == 0:
            lines["user"] = "root"
        if passwords is not None:
            path = directory / "passwords"
            path.write_text("".join(password_line(u, p) + "\n" for u, p in passwords.items()))
            path.chmod(0o600)
            lines["password_file"] = str(path)
        if acl is not None:
            (directory / "acl").write_text(acl)
            lines["acl_file"] = str(directory / "acl")
        if tls is not None:
            lines |= {"cafile": str(tls.ca), "certfile": str(tls.cert), "keyfile": str(tls.key)}
            if require_client_certificate:
                lines["require_certificate"] = "true"
        for option in options:
            name, _, value = option.partition(" ")
            lines[name] = value
        self.config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    @property
    def url(self) -> str:
        """``mqtt://127.0.0.1:port`` or ``mqtts://...``."""
        return f"{'mqtt' if self.tls is None else 'mqtts'}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        assert self._process is not None, "mosquitto is not running"
        return self._process.pid

    def start(self) -> Self:
        """Start it and return once it accepts connections."""
        assert self._process is None, "mosquitto is already running"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 15
        while True:
            if self._process.poll() is not None:
                if self._port_is_ours and "Address already in use" in self.log():
                    return self._start_elsewhere()
                raise RuntimeError(f"mosquitto ended with {self._process.returncode}:\n{self.log()}")
            try:
                wait_for_port(self.port, timeout_s=0.2)
                self._port_is_ours = False  # clients know it now
                return self
            except TimeoutError:
                if time.monotonic() > deadline:
                    self.kill()
                    raise

    def _start_elsewhere(self) -> Self:
        """Somebody was given our port between the choice and the start."""
        before, self.port = self.port, free_port()
        self.config.write_text(self.config.read_text().replace(f"listener {before} ", f"listener {self.port} "))
        self._process = None
        self._log.unlink()
        return self.start()

    def stop(self) -> None:
        """End it gracefully: it saves its sessions and queues."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what it has not saved is lost."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop gracefully and start again on the same port with the same store."""
        self.stop()
        self.start()

    def reload(self) -> None:
        """Have it read its password and ACL files again."""
        os.kill(self.pid, signal.SIGHUP)

    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(signal.SIGTERM if kind is None else signal.SIGKILL)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker without passwords or ACL, with unbounded queues and persistence."""
    with Mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A function that starts a broker with the given options of :class:`Mosquitto`; all are killed at the end."""
    started: list[Mosquitto] = []

    def start(**options: object) -> Mosquitto:
        broker = Mosquitto(tmp_path / f"mosquitto{len(started)}", **options)
        started.append(broker)
        return broker.start()

    yield start
    for broker in started:
        broker.kill()
