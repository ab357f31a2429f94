"""A process that looks for falls for the processor: ``python -m ingest.shard_process DESCRIPTOR NUMBER``.

Started by :class:`ingest.shards.FallShards` only. It ends when the processor does.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from multiprocessing.connection import Connection

from threadpoolctl import threadpool_limits

from ingest.shards import serve


def main(descriptor: int) -> None:
    """Serve until the other side is closed."""
    for number in (signal.SIGTERM, signal.SIGINT):  # the processor ends us when it has taken what we found
        signal.signal(number, signal.SIG_IGN)
    threadpool_limits(limits=1, user_api="blas")
    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as link:
        serve(link)


if __name__ == "__main__":
    main(int(sys.argv[1]))
