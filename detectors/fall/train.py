"""Makes the weights from a folder of recordings: ``python -m detectors.fall.train --data DIR --out DIR``.

Needs the extra ``train``.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectors.errors import DetectorError
from detectors.fall.learn import trainers
from detectors.fall.model import Head
from detectors.fall.recordings import Stream, read_folder
from detectors.fall.view import View
from detectors.fall.weights import FORMAT, save_model
from detectors.parameters import FallParameters


def provenance_of(
    data: Path, streams: Sequence[Stream], *, command: str, seed: int, parameters: FallParameters
) -> dict[str, Any]:
    """Where weights come from: data (with the checksums of its files), people, command, seed, date."""
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
                "sha256": _checksum(data / f"{dataset}.npz"),
                "subjects": names,
                "recordings": sum(len(s.recordings) for s in streams if s.dataset == dataset),
                "falls": sum(r.is_fall for s in streams if s.dataset == dataset for r in s.recordings),
            }
            for dataset, names in subjects.items()
        },
        "parameters": dataclasses.asdict(parameters),
    }


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        heads: list[Head] = []
        views: list[View] = []
        figures: dict[str, Any] = {}
        for trainer in trainers(streams, parameters, seed=given.seed):
            for name in trainer.heads:
                head, figures[name] = trainer.fit(name, view=len(views))
                heads.append(head)
                print(f"{name}: {_line(figures[name])}", flush=True)
            views.append(trainer.view)
    except DetectorError as error:
        print(error, file=sys.stderr)
        return 2
    left_out = "".join(f" --leave-out {name}" for name in given.leave_out)
    note = provenance_of(
        given.data,
        streams,
        command=f"python -m detectors.fall.train --data DIR --out DIR --seed {given.seed}{left_out}",
        seed=given.seed,
        parameters=parameters,
    )
    note["figures"] = {"what": "recordings with an impact, by folds of subjects that were not trained on", **figures}
    given.out.mkdir(parents=True, exist_ok=True)
    save_model(tuple(heads), tuple(views), given.out / "weights.npz", note)
    print(f"wrote {given.out / 'weights.npz'}")
    return 0


def _line(figures: dict[str, dict[str, dict[str, int]]]) -> str:
    """What a head finds at the operating point balanced."""
    return "; ".join(
        f"{dataset} {of['found']} of {of['falls']} falls, {of['false_alarms']} alarms in {of['daily']} others"
        for dataset, of in ((dataset, points["balanced"]) for dataset, points in figures.items())
    )


if __name__ == "__main__":
    sys.exit(main())
