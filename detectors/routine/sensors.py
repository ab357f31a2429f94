"""The sensors of all homes: what their readings mean, and which are signs of life."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.routine.batch import HomeBatch
from detectors.routine.clock import DAY_MIN, MINUTE_MS, LocalClock
from detectors.routine.columns import KEPT_DAYS, SENSOR, Columns, columns, grown
from detectors.routine.limits import SLOTS
from detectors.routine.parameters import RoutineParameters
from detectors.routine.rooms import Room, Sensor, is_on, room_of, sensor_of, tells
from detectors.routine.watch import Readings

#: The name of the last place of a home with more rooms than places.
_OTHERS = "…"


class Sensors:
    """Knows every sensor by its home, the name of its device and its kind, and every place of a home by the name of its
    room. Kinds that tell nothing of a person are no sensors.

    Args:
        parameters: the thresholds.
        clock: local time.

    Attributes:
        names: of the sensors' devices.
        rooms: of each home, the names of its places; "" is free. The first place is none of them.
        of_home: of each home, its sensors.
        ignored: readings that told nothing, by reason.
    """

    def __init__(self, parameters: RoutineParameters, clock: LocalClock) -> None:
        self.p, self.clock = parameters, clock
        self.names: list[str] = []
        self.rooms: list[list[str]] = []
        self.of_home: list[list[int]] = []
        self.ignored: dict[str, int] = {}
        self._kinds: list[str] = []
        self._known: dict[tuple[int, str, str], int] = {}
        self._columns = columns(SENSOR)

    def add_home(self) -> None:
        """One more home, without sensors."""
        self.rooms.append([""] * SLOTS)
        self.of_home.append([])

    def read(self, batch: HomeBatch, homes: Columns) -> tuple[Readings, set[int]]:
        """The readings of a batch that concern a home, by time; and the homes that turned out to have another room.

        Args:
            batch: as it came.
            homes: where the kind of a new room is put.
        """
        future = batch.t_ms - batch.recv_ms > self.p.future_s * 1000
        t_ms = np.where(future, batch.recv_ms, batch.t_ms)
        known = (batch.row >= 0) & (batch.row < len(self.rooms))
        old = batch.recv_ms - t_ms > KEPT_DAYS * DAY_MIN * MINUTE_MS
        self._count("future", future)
        self._count("row", ~known)
        self._count("old", known & old)
        told = np.array([tells(kind) for kind in batch.kind], bool)
        self._count("kind", known & ~old & ~told)
        which = np.flatnonzero(known & ~old & told)
        which = which[np.argsort(t_ms[which], kind="stable")]
        changed: set[int] = set()
        sensor = np.array([self._sensor(batch, i, homes, changed) for i in which.tolist()], np.intp)
        said = self._columns
        return Readings(
            batch.row[which].astype(np.intp),
            sensor,
            said["slot"][sensor],
            said["room"][sensor],
            said["what"][sensor],
            np.array([is_on(batch.value[i]) for i in which.tolist()], np.int8),
            t_ms[which],
            batch.recv_ms[which],
            self.clock.minutes(t_ms[which]),
        ), changed

    def alive(self, e: Readings, homes: Columns) -> NDArray[np.bool_]:
        """Which readings, of different homes, are signs of life: news of a person, and newer than the last."""
        said, rows = self._columns, e.rows
        said["heard_ms"][e.sensor] = np.maximum(said["heard_ms"][e.sensor], e.t_ms)
        before = said["on"][e.sensor]
        motion = e.what == Sensor.MOTION
        told = e.on >= 0
        late = told & (e.t_ms < homes["last_ms"][rows])
        fresh = told & ~late
        # a motion sensor that never says off says on whenever it sees somebody
        repeat = (before == e.on) & (~motion | (e.on == 0) | said["goes_off"][e.sensor])
        first = (before < 0) & ~(motion & (e.on == 1))  # the first word of a door or a bed is its state, no event
        on_ms = said["on_ms"][e.sensor]
        ends = fresh & motion & (before == 1) & (e.on == 0) & (e.t_ms - on_ms >= self.p.together_s * 1000)
        for i in np.flatnonzero(ends).tolist():
            if self._together(int(e.sensor[i]), int(on_ms[i]), int(e.t_ms[i])):
                homes["company_ms"][rows[i]] = int(e.t_ms[i]) + round(self.p.company_s * 1000)
        said["on_ms"][e.sensor] = np.where(fresh & (e.on == 1) & (before != 1), e.t_ms, on_ms)
        said["on"][e.sensor] = np.where(fresh, e.on, before)
        said["goes_off"][e.sensor] |= fresh & (e.on == 0)
        alive = fresh & ~repeat & ~first
        same = homes["alone"][rows] == e.sensor
        several = np.array([len(self.of_home[row]) > 1 for row in rows.tolist()], bool)
        stuck = alive & same & several & (e.t_ms - homes["alone_ms"][rows] > self.p.alone_s * 1000)
        news = alive & ~same
        homes["alone"][rows[news]] = e.sensor[news]
        homes["alone_ms"][rows[news]] = e.t_ms[news]
        for reason, flags in (
            ("value", ~told),
            ("late", late),
            ("repeat", fresh & (repeat | first)),
            ("stuck", stuck),
        ):
            self._count(reason, flags)
        return np.asarray(alive & ~stuck)

    def mute(self, row: int, since_ms: int) -> list[int]:
        """The places of a home whose every sensor has said nothing since then; the front door is none of them."""
        heard: dict[int, bool] = {}
        said = self._columns
        for sensor in self.of_home[row]:
            if said["what"][sensor] == Sensor.MOTION and said["room"][sensor] != Room.EXIT:
                slot = int(said["slot"][sensor])
                heard[slot] = heard.get(slot, False) or bool(said["heard_ms"][sensor] > since_ms)
        return [slot for slot, some in heard.items() if not some]

    def excuse(self, row: int, since_ms: int, until_ms: int) -> None:
        """Nobody was at home in between: no sensor of the home could have spoken."""
        heard = self._columns["heard_ms"]
        for sensor in self.of_home[row]:
            if 0 < heard[sensor] < until_ms:
                heard[sensor] = min(until_ms, int(heard[sensor]) + until_ms - since_ms)

    def state(self) -> dict[str, Any]:
        """For :meth:`restore`."""
        return {
            "names": list(self.names),
            "kinds": list(self._kinds),
            "rooms": [list(rooms) for rooms in self.rooms],
            "columns": {name: one[..., : len(self.names)].copy() for name, one in self._columns.items()},
            "ignored": dict(self.ignored),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.names = list(state["names"])
        self._kinds = list(state["kinds"])
        self.rooms = [list(rooms) for rooms in state["rooms"]]
        self._columns = {name: np.array(one) for name, one in state["columns"].items()}
        self.ignored = dict(state["ignored"])
        rows = self._columns["row"].tolist()
        keys = zip(rows, self.names, self._kinds, strict=True)
        self._known = {key: sensor for sensor, key in enumerate(keys)}
        self.of_home = [[] for _ in self.rooms]
        for sensor, row in enumerate(rows):
            self.of_home[row].append(sensor)

    def _together(self, sensor: int, since_ms: int, until_ms: int) -> bool:
        """Whether another room was occupied for long while this one was. A sensor that stays on for hours is stuck."""
        said = self._columns
        return any(
            said["on"][other] == 1
            and said["what"][other] == Sensor.MOTION
            and said["slot"][other] != said["slot"][sensor]
            and until_ms - max(since_ms, int(said["on_ms"][other])) >= self.p.together_s * 1000
            and until_ms - int(said["on_ms"][other]) <= self.p.company_s * 1000
            for other in self.of_home[int(said["row"][sensor])]
        )

    def _sensor(self, batch: HomeBatch, i: int, homes: Columns, changed: set[int]) -> int:
        """The index of a sensor, made when it is new; one that names another room than before has moved there."""
        row, name, kind_said, room = int(batch.row[i]), batch.device[i], batch.kind[i].lower(), batch.room[i]
        known = self._known.get((row, name, kind_said))
        if known is not None:
            here = self.rooms[row][int(self._columns["slot"][known])]
            if room is None or room in (here, "") or here == _OTHERS:
                return known
        else:
            known = len(self.names)
            self.names.append(name)
            self._kinds.append(kind_said)
            self._known[row, name, kind_said] = known
            self.of_home[row].append(known)
            if known == len(self._columns["row"]):
                self._columns = grown(self._columns, SENSOR, max(256, known // 2))
        what = sensor_of(kind_said, room_of(room), bool(room))
        kind = {Sensor.EXIT_DOOR: Room.EXIT, Sensor.BED: Room.BEDROOM}.get(what, room_of(room))
        slot = self._slot(row, room or kind.name.lower(), kind, homes, changed)
        for column, value in (("row", row), ("slot", slot), ("room", kind), ("what", what)):
            self._columns[column][known] = value
        return known

    def _slot(self, row: int, name: str, kind: Room, homes: Columns, changed: set[int]) -> int:
        """The place of a room in its home, made when it is new. The last place takes all further rooms."""
        rooms = self.rooms[row]
        if name in rooms:
            return rooms.index(name)
        if all(rooms[1:-1]):
            rooms[-1] = _OTHERS
            return SLOTS - 1
        slot = rooms.index("", 1)
        rooms[slot] = name
        homes["kind"][slot, row] = kind
        changed.add(row)
        return slot

    def _count(self, reason: str, flags: NDArray[np.bool_]) -> None:
        more = int(np.count_nonzero(flags))
        if more:
            self.ignored[reason] = self.ignored.get(reason, 0) + more
