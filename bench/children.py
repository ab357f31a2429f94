"""Processes that a benchmark starts, and what they use."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

#: Nothing of the benchmark's own state goes into its children.
PROCESSES = multiprocessing.get_context("spawn")


@contextmanager
def child(target: Callable[..., None], *arguments: object) -> Iterator[psutil.Process]:
    """``target(*arguments)`` in a process of its own, which is ended (SIGTERM, then SIGKILL) with the block."""
    process = PROCESSES.Process(target=target, args=arguments, daemon=True)
    process.start()
    assert process.pid is not None
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join(10)
        process.kill()
        process.join()


def cpu_s(process: psutil.Process) -> float:
    """User and system time that a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)
