"""Skip a test whose server is not on this machine, saying what to install; in CI that is a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

#: program -> (folders beside PATH where Debian puts it, the package that has it)
_PROGRAMS = {
    "mosquitto": (("/usr/sbin",), "mosquitto"),
    "mosquitto_sub": ((), "mosquitto-clients"),
    "mosquitto_passwd": ((), "mosquitto"),
    "influxd": ((), "influxdb"),
    "nginx": (("/usr/sbin",), "nginx-light"),
    "chromium": ((), "chromium"),
    "chromedriver": ((), "chromium-driver"),
}


def missing(why: str) -> None:
    """Skip the running test for ``why``; fail it when ``CI`` is ``true``."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have it: {why}", pytrace=False)
    pytest.skip(why)


def require(program: str) -> Path:
    """The path of a server program, or a skip that names the Debian package to install."""
    folders, package = _PROGRAMS[program]
    search = os.pathsep.join([os.environ.get("PATH", ""), *folders])
    found = shutil.which(program, path=search)
    if found is None:
        missing(f"{program} is not installed: apt-get install {package}")
        raise AssertionError("unreachable")
    return Path(found)


def data_root() -> Path:
    """Where recordings are looked for: ``CARECIRCLE_DATA``, or ``shared/data`` beside the checkout. May not exist."""
    return Path(os.environ.get("CARECIRCLE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def data_folder(name: str) -> Path:
    """A folder of recordings (``falls``, ``home``) under ``CARECIRCLE_DATA``, or a skip."""
    folder = data_root() / name
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}: set CARECIRCLE_DATA to the folder that has {name}/")
    return folder
