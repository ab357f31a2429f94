"""The event loop that carries the gateway's connection: uvloop's, where there is one for the system."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end in a new loop in this thread, and close the loop.

    An exception in a callback ends it too: nobody else would hear of it.
    """
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(_or_fail(work))


async def _or_fail(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(work)
    failures: list[BaseException] = []

    def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception") or RuntimeError(context["message"])
        failures.append(error)
        task.cancel()

    loop.set_exception_handler(fail)
    try:
        return await task
    except asyncio.CancelledError:
        if failures:
            raise failures[0] from None
        raise


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":  # uvloop has none for it
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()
