"""Makes the weights from a folder of recordings: ``python -m detectors.fall.train --data DIR --out DIR``.

Needs the extra ``train``.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectors.errors import DetectorError
from detectors.fall.learn import trainers
from detectors.fall.model import FORMAT, save_model
from detectors.fall.recordings import Stream, read_folder
from detectors.parameters import FallParameters


def provenance_of(streams: Sequence[Stream], *, command: str, seed: int, parameters: FallParameters) -> dict[str, Any]:
    """Where weights come from: data, people, command, seed, date."""
    subjects: dict[str, list[str]] = {}
    for stream in streams:
        subjects.setdefault(stream.dataset, []).append(stream.subject)
    return {
        "format": FORMAT,
        "command": command,
        "seed": seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "datasets": {
            dataset: {
                "subjects": names,
                "recordings": sum(len(s.recordings) for s in streams if s.dataset == dataset),
                "falls": sum(r.is_fall for s in streams if s.dataset == dataset for r in s.recordings),
            }
            for dataset, names in subjects.items()
        },
        "parameters": dataclasses.asdict(parameters),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m detectors.fall.train", description="Learn the fall weights.")
    parser.add_argument("--data", type=Path, required=True, help="folder with index.csv and the npz files")
    parser.add_argument("--out", type=Path, required=True, help="where weights.npz and weights.json are written")
    parser.add_argument(
        "--leave-out", action="append", default=[], metavar="DATASET", help="data set not to learn from"
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    parameters = FallParameters()
    try:
        folder = read_folder(given.data)
        known = {stream.dataset for stream in folder.streams}
        if unknown := set(given.leave_out) - known:
            raise DetectorError(f"cannot leave out {sorted(unknown)}: the folder has {sorted(known)}")
        streams = [stream for stream in folder.streams if stream.dataset not in given.leave_out]
        heads = []
        figures: dict[str, Any] = {}
        for trainer in trainers(streams, parameters, seed=given.seed):
            head, figures[trainer.name] = trainer.fit()
            heads.append(head)
            print(f"{trainer.name}: {len(trainer.candidates.label)} impacts, {head.thresholds}", flush=True)
    except DetectorError as error:
        print(error, file=sys.stderr)
        return 2
    left_out = "".join(f" --leave-out {name}" for name in given.leave_out)
    note = provenance_of(
        streams,
        command=f"python -m detectors.fall.train --data DIR --out DIR --seed {given.seed}{left_out}",
        seed=given.seed,
        parameters=parameters,
    )
    note["figures"] = {"what": "recordings with an impact, by folds of subjects that were not trained on", **figures}
    given.out.mkdir(parents=True, exist_ok=True)
    save_model(tuple(heads), given.out / "weights.npz", note)
    print(f"wrote {given.out / 'weights.npz'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
