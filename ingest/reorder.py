"""Motion frames of a device back into the order of their sequence numbers, waiting at most two seconds for one."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

from telemetry.codec import Motion

#: Design promise 5: live frames are reordered within this long; then the missing ones are a gap.
WAIT_MS = 2_000
#: Frames held per device before the oldest gap is given up, whatever the time: a hostile sequence must not fill memory.
HELD_MAX = 64


@dataclass(frozen=True, slots=True)
class Frame:
    """A motion frame on its way to the banks. ``row`` is the device's, ``offset_ms`` corrects its clock."""

    row: int
    recv_ms: int
    offset_ms: int
    motion: Motion


#: Of nearly every device, and never written to.
_NONE_HELD: dict[int, Frame] = {}


@dataclass(slots=True)
class Lane:
    """Where one device stands: what comes next, and what came before it was due."""

    boot: int
    due: int  # the sequence number that comes next
    held: dict[int, Frame] = field(default_factory=lambda: _NONE_HELD)


class Reorderer:
    """Reorders frames of many devices; only devices with a gap cost anything beyond one look-up."""

    def __init__(self) -> None:
        self._lanes: dict[int, Lane] = {}
        self._waiting: set[int] = set()  # rows with held frames

    def push(self, frame: Frame, out: list[Any]) -> bool:
        """Take one frame and append to ``out`` what is now in order. False: the frame is too late for its place."""
        motion = frame.motion
        lane = self._lanes.get(frame.row)
        if lane is None or lane.boot != motion.boot:
            if lane is not None:
                self._release_all(frame.row, lane, out)
            self._lanes[frame.row] = Lane(motion.boot, motion.seq + 1)
            out.append(frame)
            return True
        if motion.seq == lane.due:
            out.append(frame)
            lane.due += 1
            if lane.held:
                self._release_run(frame.row, lane, out)
            return True
        if motion.seq < lane.due:
            return False
        if not lane.held:
            lane.held = {}
        lane.held[motion.seq] = frame
        self._waiting.add(frame.row)
        if len(lane.held) > HELD_MAX:
            self._skip_gap(frame.row, lane, out)
        return True

    def lane(self, row: int) -> Lane | None:
        """Where a device stands, None before its first frame."""
        return self._lanes.get(row)

    def expire(self, now_ms: int, out: list[Any]) -> None:
        """Give up on frames that have been waited for long enough."""
        for row in sorted(self._waiting):
            lane = self._lanes[row]
            while lane.held and now_ms - min(f.recv_ms for f in lane.held.values()) >= WAIT_MS:
                self._skip_gap(row, lane, out)

    def state(self) -> tuple[bytes, dict[int, dict[int, Frame]]]:
        """Row, boot and number that is due of all, and what is held by row; for a checkpoint."""
        plain = array("q")
        for row, lane in self._lanes.items():
            plain.extend((row, lane.boot, lane.due))
        return plain.tobytes(), {row: self._lanes[row].held for row in sorted(self._waiting)}

    def restore(self, state: tuple[bytes, dict[int, dict[int, Frame]]]) -> None:
        """Continue from a checkpoint."""
        plain, held = iter(array("q", state[0])), state[1]
        self._lanes = {
            row: Lane(boot, due, held.get(row, _NONE_HELD)) for row, boot, due in zip(plain, plain, plain, strict=True)
        }
        self._waiting = set(held)

    def _skip_gap(self, row: int, lane: Lane, out: list[Any]) -> None:
        lane.due = min(lane.held)
        self._release_run(row, lane, out)

    def _release_run(self, row: int, lane: Lane, out: list[Any]) -> None:
        while (frame := lane.held.pop(lane.due, None)) is not None:
            out.append(frame)
            lane.due += 1
        if not lane.held:
            self._waiting.discard(row)

    def _release_all(self, row: int, lane: Lane, out: list[Any]) -> None:
        out.extend(lane.held[seq] for seq in sorted(lane.held))
        lane.held.clear()
        self._waiting.discard(row)
