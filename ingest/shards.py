"""The fall detector in several processes: each has the devices whose ids have its hash.

The processor stays the one that reads, decides what is repeated, late or live, and saves; only what costs goes
elsewhere. Frames are sent as they become ready, and what was found comes back with the next tick, so that the processes
work at the same time. They keep nothing of their own: the processor's checkpoint has the state of all, as of one bank,
and the next process may share it out otherwise. When one dies, or hangs and is killed, the processor ends too, and the
next one goes on from the checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import numpy as np

from detectors.detection import Detection
from detectors.errors import DetectorError
from detectors.fall.bank import FallBank, check_point
from detectors.fall.sharing import devices_of, joined, part_of
from detectors.motion import AnyBatch, frames_of
from ingest.banks import UNREADABLE

_log = logging.getLogger(__name__)

_END_WITHIN_S = 5.0
#: A turn's work is done in less than a second, and to begin takes some; calls for help wait for it too.
_ANSWER_WITHIN_S = 30.0


class ShardLostError(ConnectionError):
    """A process that looks for falls is gone."""

    def __init__(self, number: int, count: int, why: str) -> None:
        super().__init__(
            f"process {number + 1} of the {count} that look for falls {why}: the processor ends, and goes on from its"
            " checkpoint when it is started again"
        )
        self.number, self.count, self.why = number, count, why


def shard_of(device: str, count: int) -> int:
    """Which of ``count`` processes has a device; the same in every run."""
    return zlib.crc32(device.encode()) % count


class FallShards:
    """Processes that look for falls. They end with this object's process, however that ends.

    Args:
        blank: a bank without devices, as each process is to have them.
        count: how many processes.
        answer_within_s: one that neither takes what it is sent nor answers for so long is killed.
    """

    def __init__(self, blank: FallBank, count: int, *, answer_within_s: float = _ANSWER_WITHIN_S) -> None:
        self._blank = pickle.dumps(blank, protocol=5)
        self._answer_within_s = answer_within_s
        self._links: list[Connection] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._banks = 0
        for number in range(count):
            ours, theirs = socket.socketpair()
            with theirs:
                command = [sys.executable, "-m", "ingest.shard_process", str(theirs.fileno()), str(number + 1)]
                self._processes.append(
                    subprocess.Popen(
                        command,
                        pass_fds=[theirs.fileno()],
                        stdin=subprocess.DEVNULL,
                        start_new_session=True,  # Ctrl-C reaches the processor only
                    )
                )
            limit = struct.pack("@ll", int(answer_within_s), int(answer_within_s % 1 * 1_000_000))
            for way in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # the system raises BlockingIOError by itself
                ours.setsockopt(socket.SOL_SOCKET, way, limit)
            self._links.append(Connection(ours.detach()))
            self.tell(number, self._blank)

    def __len__(self) -> int:
        return len(self._links)

    @property
    def process_ids(self) -> list[int]:
        """Of the processes, in the order of the hash."""
        return [process.pid for process in self._processes]

    def bank(self) -> ShardedBank:
        """Another bank without devices, over all processes."""
        for number in range(len(self)):
            self.tell(number, ("bank",))
        self._banks += 1
        return ShardedBank(self, self._banks - 1)

    def tell(self, number: int, message: Any) -> None:
        """Send something to a process. Raises ShardLostError."""
        try:
            self._links[number].send_bytes(pickle.dumps(message, protocol=5))
        except OSError as error:
            raise self._lost(number, error) from None

    def ask(self, messages: Sequence[Any]) -> list[Any]:
        """Send each process something and wait for all answers. Raises ShardLostError."""
        for number, message in enumerate(messages):
            self.tell(number, message)
        answers = []
        for number, link in enumerate(self._links):
            try:
                failed, answer = pickle.loads(link.recv_bytes())
            except (OSError, EOFError) as error:
                raise self._lost(number, error) from None
            if failed:
                raise ShardLostError(number, len(self), f"failed ({answer})")
            answers.append(answer)
        return answers

    def _lost(self, number: int, error: Exception) -> ShardLostError:
        if isinstance(error, BlockingIOError):
            process, limit_s = self._processes[number], self._answer_within_s
            process.kill()
            why = f"has not answered for {limit_s:g} s and was killed"
            _log.error("process %d (pid %d) of the %d that look for falls %s", number + 1, process.pid, len(self), why)
            return ShardLostError(number, len(self), why)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._processes[number].wait(_END_WITHIN_S)
        return ShardLostError(number, len(self), f"ended with {self._processes[number].returncode}")

    def close(self) -> None:
        """End the processes."""
        for link in self._links:
            link.close()
        for process in self._processes:
            try:
                process.wait(_END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> FallShards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ShardedBank:
    """A :class:`~detectors.fall.bank.FallBank` over processes: the same findings, with the next tick, and the same
    state. Made by :meth:`FallShards.bank`."""

    def __init__(self, shards: FallShards, number: int) -> None:
        self._shards = shards
        self._number = number
        self._rows: dict[str, int] = {}
        self._shard = np.zeros(0, np.int32)  # by row
        self._local = np.zeros(0, np.int32)  # the row in the bank of that process
        self._sizes = [0] * len(shards)

    def __len__(self) -> int:
        return len(self._rows)

    def __deepcopy__(self, memo: dict[int, Any]) -> ShardedBank:
        other = self._shards.bank()
        if len(self):
            other.restore(self.state())
        return other

    def add(self, device: str, *, placement: str, person: str | None, operating_point: str | None = None) -> int:
        """See :meth:`FallBank.add`."""
        check_point(operating_point)
        row = self._row(device)
        self._shards.tell(int(self._shard[row]), ("add", self._number, device, placement, person, operating_point))
        return row

    def _row(self, device: str) -> int:
        row = self._rows.setdefault(device, len(self._rows))
        if row >= len(self._shard):
            room = max(64, len(self._shard) * 3 // 2) - len(self._shard)
            self._shard = np.append(self._shard, np.zeros(room, np.int32))
            self._local = np.append(self._local, np.zeros(room, np.int32))
        if row == len(self) - 1 and sum(self._sizes) < len(self):
            shard = shard_of(device, len(self._shards))
            self._shard[row], self._local[row] = shard, self._sizes[shard]
            self._sizes[shard] += 1
        return row

    def update(self, batch: AnyBatch | None, now_ms: int) -> list[Detection]:
        """Send a batch on its way; or let time pass and return what was found since the last time it did."""
        if batch is None or not len(batch):
            answers = self._shards.ask([("tick", self._number, now_ms)] * len(self._shards))
            return [detection for answer in answers for detection in answer]
        shard = self._shard[batch.row]
        for number in range(len(self._shards)):
            mine = np.flatnonzero(shard == number)
            if len(mine):
                part = frames_of(batch, mine)
                self._shards.tell(number, ("take", self._number, replace(part, row=self._local[part.row]), now_ms))
        return []

    def state(self, *, copies: bool = True) -> dict[str, Any]:  # noqa: ARG002 -- of RowBank
        """As of one bank with all devices; copies in any case."""
        return joined(self._shards.ask([("state", self._number)] * len(self._shards)), list(self._rows))

    def restore(self, state: dict[str, Any]) -> None:
        """Share out what a bank or any number of processes knew.

        Raises:
            DetectorError: the state is of another version, or a process cannot read its part.
        """
        devices = devices_of(state)
        count = len(self._shards)
        rows: list[list[int]] = [[] for _ in range(count)]
        for row, device in enumerate(devices):
            rows[shard_of(device, count)].append(row)
        parts = [part_of(state, mine) for mine in rows]
        for unreadable in self._shards.ask([("restore", self._number, part) for part in parts]):
            if unreadable:
                raise DetectorError(f"a shard cannot read its part of the fall bank's state ({unreadable})")
        self._rows, self._sizes = {}, [0] * count
        for device in devices:
            self._row(device)


def serve(link: Connection) -> None:
    """The other side: hold banks and answer until the processor is gone."""
    blank: bytes = pickle.loads(link.recv_bytes())
    banks: list[FallBank] = []
    found: list[list[Detection]] = []
    failed = ""
    while True:
        kind, *rest = pickle.loads(link.recv_bytes())
        answer: Any = None
        try:
            if failed:
                pass
            elif kind == "bank":
                banks.append(pickle.loads(blank))
                found.append([])
            elif kind == "add":
                number, device, placement, person, point = rest
                banks[number].add(device, placement=placement, person=person, operating_point=point)
            elif kind == "take":
                number, batch, now_ms = rest
                found[number] += banks[number].update(batch, now_ms)
            elif kind == "tick":
                number, now_ms = rest
                answer = found[number] + banks[number].update(None, now_ms)
                found[number] = []
            elif kind == "state":
                answer = banks[rest[0]].state(copies=False)  # packed at once
            elif kind == "restore":
                answer = _restored(banks[rest[0]], rest[1])
        except Exception as error:  # told with the next answer
            failed = f"{type(error).__name__}: {error}"
        if kind in ("tick", "state", "restore"):
            link.send_bytes(pickle.dumps((True, failed) if failed else (False, answer), protocol=5))


def _restored(bank: FallBank, state: dict[str, Any]) -> str:
    """Why a bank cannot take over a state; "" where it has."""
    try:
        bank.restore(state)
    except UNREADABLE as error:
        return f"{type(error).__name__}: {error}"
    return ""


__all__ = ["FallShards", "ShardLostError", "ShardedBank", "serve", "shard_of"]
