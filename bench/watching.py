"""What processes use while a benchmark runs: CPU time, memory, how far journals lag behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

#: All that the machine does, among the processes of a :class:`Sample`.
MACHINE = "machine"
_EVERY_S = 2.0
#: Asking the kernel for shares of pages walks all of them.
_MEMORY_EVERY = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. ``at_s`` since the watch began; ``cpu_s`` since the process did; memory of a process in bytes, as
    (proportional set, resident set), the same as before where it was not asked for; ``gauges`` as given."""

    at_s: float
    cpu_s: dict[str, float]
    memory: dict[str, tuple[int, int]]
    gauges: dict[str, float]


class Watch:
    """Looks at processes every two seconds, in a thread of its own.

    Args:
        processes: name -> process id. One that ends keeps its last figures.
        gauges: name -> a function that is called at each look.
    """

    def __init__(self, processes: Mapping[str, int], gauges: Mapping[str, Callable[[], float]]) -> None:
        self.samples: list[Sample] = []
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items()}
        self._gauges = gauges
        self._start_s = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    @property
    def now_s(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._start_s

    def share(self, name: str, begin_s: float, end_s: float) -> float:
        """Mean share of one core between two instants."""
        within = [
            s for s in self.samples if begin_s - _EVERY_S / 2 <= s.at_s <= end_s + _EVERY_S / 2 and name in s.cpu_s
        ]
        if len(within) < 2:
            return 0.0
        return (within[-1].cpu_s[name] - within[0].cpu_s[name]) / (within[-1].at_s - within[0].at_s)

    def most(self, name: str, which: int) -> int:
        """The most memory that a process had: its proportional set (0) or its resident set (1), bytes."""
        return max((s.memory[name][which] for s in self.samples if name in s.memory), default=0)

    def most_together(self, names: list[str], which: int) -> int:
        """The most that they had at one look."""
        return max(sum(s.memory[name][which] for name in names if name in s.memory) for s in self.samples)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        last = self.samples[-1] if self.samples else None
        cpu_s = dict(last.cpu_s) if last else {}
        memory = dict(last.memory) if last else {}
        for name, process in self._processes.items():
            try:
                times = process.cpu_times()
                cpu_s[name] = float(times.user + times.system)
                if len(self.samples) % _MEMORY_EVERY == 0 or self._stop.is_set():
                    memory[name] = (proportional_bytes(process.pid), process.memory_info().rss)
            except (psutil.Error, OSError):
                continue
        machine = psutil.cpu_times()
        cpu_s[MACHINE] = float(machine.user + machine.nice + machine.system + machine.irq + machine.softirq)
        gauges = {name: gauge() for name, gauge in self._gauges.items()}
        self.samples.append(Sample(self.now_s, cpu_s, memory, gauges))


def proportional_bytes(pid: int) -> int:
    """The proportional set size of a process: pages that several share are divided among them. Raises OSError."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0
