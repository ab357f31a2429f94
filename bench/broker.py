"""A broker of its own for a benchmark."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carecircle.ports import wait_for_port


def program(name: str) -> str | None:
    """Where a program of mosquitto is; some systems keep the broker off the ordinary PATH."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[int]:
    """mosquitto with the bounds that `carecircle setup mosquitto` sets; yields its process id.

    Raises:
        FileNotFoundError: it is not installed.
    """
    path = program("mosquitto")
    if path is None:
        raise FileNotFoundError("mosquitto is not installed: see tools/install_servers.sh")
    config = folder / "mosquitto.conf"
    lines = [
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "max_queued_messages 0",
        "max_inflight_messages 2000",
    ]
    config.write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([path, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def any_broker(folder: Path, port: int) -> Iterator[str]:
    """mosquitto where it is installed, else iotcore; yields its name."""
    if program("mosquitto") is not None:
        with mosquitto(folder, port):
            yield "mosquitto"
        return
    from iotcore import Broker

    broker = Broker(port=port, listen="127.0.0.1", max_payload_size=1 << 20, max_inflight_count=200)
    broker.start()
    try:
        yield "iotcore"
    finally:
        broker.stop()
