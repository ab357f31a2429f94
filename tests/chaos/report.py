"""What a run came to, to keep and to read."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from tests.chaos.account import Account
from tests.chaos.recovery import Recovered

#: The folder that reports are written to, if it is set.
FOLDER_VARIABLE = "CHAOS_REPORT"


class Report(msgspec.Struct, kw_only=True):
    """A run: what was done, the account, and how long recoveries took. ``delivered_again`` counts the broker's own
    repetitions, ``gateway_held`` how often the gateway held because the disk was full, ``staged_falls`` what the fleet
    played, whether a detector finds it or not."""

    seed: int
    seconds: float
    disturbances: list[str]
    staged_falls: int
    delivered_again: int
    gateway_held: int
    account: Account
    recoveries: list[Recovered]

    def text(self) -> str:
        """For people."""
        lines = [f"chaos run, seed {self.seed}, {self.seconds:.0f} s", ""]
        lines += [f"  {line}" for line in self.disturbances]
        lines += ["", f"  {'falls staged':34}{self.staged_falls:>9}"]
        for name, value in msgspec.structs.asdict(self.account).items():
            if name != "failures":
                shown = (
                    ", ".join(f"{kind} {n}" for kind, n in value.items()) or "-" if isinstance(value, dict) else value
                )
                lines.append(f"  {name.replace('_', ' '):34}{shown:>9}")
        lines.append(f"  {'delivered again by the broker':34}{self.delivered_again:>9}")
        lines += [f"  {'times that the gateway held':34}{self.gateway_held:>9}", ""]
        lines.append(f"  {'recovery, s':16}{'times':>6}{'from the kill or begin':>26}{'from its end':>20}")
        lines.append(f"  {'':22}{'p50':>16}{'max':>10}{'p50':>10}{'max':>10}")
        for row in self.recoveries:
            figures = (row.from_begin_p50_s, row.from_begin_max_s, row.from_end_p50_s, row.from_end_max_s)
            shown = ["-" if figure is None else f"{figure:.2f}" for figure in figures]
            lines.append(f"  {row.kind:16}{row.times:>6}{shown[0]:>16}{shown[1]:>10}{shown[2]:>10}{shown[3]:>10}")
        lines += ["", *(f"  BROKEN: {failure}" for failure in self.account.failures)]
        lines.append("  every promise was kept" if not self.account.failures else f"  again: CHAOS_SEED={self.seed}")
        return "\n".join(lines)

    def write(self, folder: Path) -> Path:
        """As ``chaos-<seed>.json`` and ``.txt`` into ``CHAOS_REPORT`` or else ``folder``; returns the text's path."""
        target = Path(os.environ.get(FOLDER_VARIABLE) or folder)
        target.mkdir(parents=True, exist_ok=True)
        name = f"chaos-{self.seed}-{self.seconds:.0f}s"
        (target / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))
        text = target / f"{name}.txt"
        text.write_text(self.text() + "\n", encoding="utf-8")
        return text
