"""The page of errors: every missed fall and every false alarm, with what the bank said around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from carecircle.evaluation.falls_plots import draw_error
from carecircle.evaluation.falls_run import Heard
from detectors.detection import Stage
from detectors.fall.recordings import Recording, Stream

#: More plots than this make the page too heavy: the others are listed without one.
MOST_PLOTS = 300
MISSED, FALSE_ALARM, STRAY = "missed fall", "false alarm", "stray alarm"
_MEANING = {
    MISSED: "no alarm near the labelled fall",
    FALSE_ALARM: "an alarm in a recording of daily living",
    STRAY: "an alarm in a recording of a fall, away from the fall: not in the rates",
}


@dataclass(frozen=True, slots=True)
class Error:
    """One entry. ``at_s`` is the labelled impact or the alarm's; ``score`` None where the bank said nothing."""

    kind: str
    recording: Recording
    at_s: float
    score: float | None


def errors_of(streams: Sequence[Stream], heard: Sequence[Heard]) -> list[Error]:
    """Missed falls first, then alarms that nobody needed; each in the order of the recordings."""
    by_key = _by_key(heard)
    missed, false = [], []
    for recording in (r for stream in streams for r in stream.recordings):
        here = by_key.get(recording.key, [])
        alarms = [one for one in here if one.stage is Stage.CONFIRMED]
        if recording.is_fall and not any(one.of_fall for one in alarms):
            scores = [one.score for one in here if one.of_fall]
            at_s = recording.impact_s if recording.impact_s is not None else (recording.from_s + recording.until_s) / 2
            missed.append(Error(MISSED, recording, at_s, max(scores, default=None)))
        kind = STRAY if recording.is_fall else FALSE_ALARM
        false += [Error(kind, recording, one.impact_s, one.score) for one in alarms if not one.of_fall]
    return missed + sorted(false, key=lambda error: error.kind)


def _by_key(heard: Sequence[Heard]) -> dict[str, list[Heard]]:
    out: dict[str, list[Heard]] = {}
    for one in heard:
        out.setdefault(one.recording.key, []).append(one)
    return out


def write_errors(
    path: Path,
    streams: Sequence[Stream],
    heard: Sequence[Heard],
    thresholds: Mapping[str, float],
    note: str,
) -> list[Error]:
    """Write the page, one file with everything in it; give what it lists.

    Args:
        path: the file to write.
        streams: all that was evaluated.
        heard: what the bank said.
        thresholds: the probability from which a stream's falls are confirmed, by its name.
        note: whose recordings these are to the weights.
    """
    errors = errors_of(streams, heard)
    by_key = _by_key(heard)
    home = {recording.key: stream for stream in streams for recording in stream.recordings}
    rows, sheets = [], []
    for i, error in enumerate(errors):
        stream = home[error.recording.key]
        rows.append(_row(i, error))
        plot = (
            draw_error(
                stream, error.recording, error.at_s, by_key.get(error.recording.key, []), thresholds[stream.name]
            )
            if i < MOST_PLOTS
            else f"<p>No plot: only the first {MOST_PLOTS} entries have one.</p>"
        )
        sheets.append(_sheet(i, error, plot))
    datasets = dict.fromkeys(error.recording.dataset for error in errors)
    kinds = dict.fromkeys(error.kind for error in errors)
    counts = ", ".join(f"{kind}s: {sum(e.kind == kind for e in errors)}" for kind in kinds) or "No errors"
    if len(errors) > MOST_PLOTS:
        counts += f"; the first {MOST_PLOTS} with a plot"
    body = _PAGE if errors else _NOTHING
    for name, words in {
        "NOTE": escape(f"{counts[:1].upper()}{counts[1:]}. {note[:1].upper()}{note[1:]}."),
        "DATASETS": "".join(_option(name) for name in datasets),
        "KINDS": "".join(_option(name) for name in kinds),
        "ROWS": "".join(rows),
        "SHEETS": "".join(sheets),
    }.items():
        body = body.replace(f"<!--{name}-->", words)
    path.write_text(_HEAD + body, encoding="utf-8")
    return errors


def _option(name: str) -> str:
    return f'<option value="{escape(name)}">{escape(name)}</option>'


def _score(error: Error) -> str:
    return "nothing suspected" if error.score is None else f"score {error.score:.3f}"


def _row(i: int, error: Error) -> str:
    key, dataset = escape(error.recording.key), escape(error.recording.dataset)
    return (
        f'<li data-dataset="{dataset}" data-kind="{escape(error.kind)}"><a href="#e{i}">{key}'
        f"<small>{escape(error.kind)}, {_score(error)}</small></a></li>"
    )


def _sheet(i: int, error: Error, plot: str) -> str:
    it = error.recording
    facts = {
        "data set": it.dataset,
        "worn at": it.placement,
        "subject": f"{it.subject}{' (elderly)' if it.elderly else ''}",
        "activity": it.activity,
        "labelled impact" if error.kind == MISSED else "impact of the alarm": f"{error.at_s:.2f} s",
        "highest at the fall" if error.kind == MISSED else "said": _score(error),
    }
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return (
        f'<article id="e{i}"><h2>{escape(it.key)}</h2><p class="kind">{escape(error.kind)}: '
        f"{escape(_MEANING[error.kind])}</p><dl>{listed}</dl>{plot}</article>"
    )


_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Missed falls and false alarms</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<style>
:root { color: #1f2933; background: #fff; font: 15px/1.45 system-ui, sans-serif }
body { margin: 0; display: grid; grid-template: auto 1fr / 20rem 1fr; height: 100vh }
header { grid-column: 1 / 3; padding: .8rem 1.2rem; border-bottom: 1px solid #d5dbe1 }
h1 { font-size: 1.2rem; margin: 0 } header p { margin: .2rem 0 .6rem; color: #52606d }
label, button { margin-right: .8rem } select, button { font: inherit; padding: .15rem .5rem }
nav { overflow-y: auto; border-right: 1px solid #d5dbe1 }
nav ol { list-style: none; margin: 0; padding: 0 }
nav a { display: block; padding: .35rem 1.2rem; color: inherit; text-decoration: none; overflow-wrap: anywhere }
nav a:hover, nav a:focus { background: #eef2f6 } nav a[aria-current="true"] { background: #dbe8f5 }
nav small { display: block; color: #52606d }
main { overflow-y: auto; padding: 1rem 1.6rem } article { max-width: 62rem; margin-bottom: 2.5rem }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere } .kind { margin: .1rem 0 .8rem }
dl { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 0 0 1rem }
dt { font-size: .8rem; color: #52606d } dd { margin: 0 }
svg { width: 100%; font-size: 11px } svg text { fill: #52606d }
.grid { stroke: #e4e8ec } .label { fill: #fdf0d5 } .held { fill: #52606d; fill-opacity: .1 }
.impact { stroke: #b26a00; stroke-width: 1.5; stroke-dasharray: 5 3 }
.threshold { stroke: #52606d; stroke-dasharray: 2 3 }
.signal { fill: none; stroke: #1d5fa8; stroke-width: 1.3 }
.waits { stroke-width: 1.5; stroke-opacity: .6; stroke: #52606d } .waits.confirmed { stroke: #b3261e }
.suspected { fill: #fff; stroke: #52606d; stroke-width: 1.8 } .confirmed { fill: #b3261e }
.withdrawn { fill: none; stroke: #1f2933; stroke-width: 2 }
.key svg { width: 14px; height: 14px; vertical-align: -2px; margin: 0 .25rem 0 .9rem } .key, .foot { color: #52606d }
.foot { font-size: .85rem }
[hidden] { display: none !important }
@media (max-width: 50rem) { body { display: block; height: auto } nav { max-height: 14rem } }
</style></head>
"""

_NOTHING = """<body><header><h1>Missed falls and false alarms</h1><p><!--NOTE--></p></header></body></html>
"""

_PAGE = """<body><header><h1>Missed falls and false alarms</h1><p><!--NOTE--></p>
<label>Data set <select id="dataset"><option value="">all</option><!--DATASETS--></select></label>
<label>Kind <select id="kind"><option value="">all</option><!--KINDS--></select></label>
<button id="back" type="button">Previous</button><button id="on" type="button">Next</button>
<span id="place" role="status"></span>
<span class="key">
<svg viewBox="0 0 14 14"><circle class="suspected" cx="7" cy="7" r="4.5"/></svg>suspected
<svg viewBox="0 0 14 14"><circle class="confirmed" cx="7" cy="7" r="4.5"/></svg>confirmed
<svg viewBox="0 0 14 14"><path class="withdrawn" d="M3 3l8 8m0 -8l-8 8"/></svg>withdrawn
<svg viewBox="0 0 14 14"><rect class="label" x="1" y="1" width="12" height="12"/></svg>where an alarm is right
</span>
</header>
<nav aria-label="Errors"><ol><!--ROWS--></ol></nav>
<main><!--SHEETS-->
<p class="foot">A grey or red line begins at the impact; the mark at its end is the moment of the decision.
Arrow keys step.</p>
</main>
<script>
"use strict";
const rows = [...document.querySelectorAll("nav li")], sheets = [...document.querySelectorAll("article")];
const pick = {dataset: document.getElementById("dataset"), kind: document.getElementById("kind")};
let now = 0;
const listed = () => rows.map((row, i) => i).filter(i => !rows[i].hidden);
function show(i) {
  now = i;
  sheets.forEach((sheet, k) => { sheet.hidden = k !== i; });
  rows.forEach((row, k) => row.firstElementChild.setAttribute("aria-current", String(k === i)));
  const all = listed();
  document.getElementById("place").textContent = all.length ? `${all.indexOf(i) + 1} of ${all.length}` : "none";
  if (i >= 0) rows[i].scrollIntoView({block: "nearest"});
}
function sift() {
  for (const row of rows)
    row.hidden = Object.entries(pick).some(([name, it]) => it.value && row.dataset[name] !== it.value);
  const all = listed();
  show(all.includes(now) ? now : all.length ? all[0] : -1);
}
function step(by) {
  const all = listed(), to = all[all.indexOf(now) + by];
  if (to !== undefined) show(to);
}
rows.forEach((row, i) => row.addEventListener("click", event => { event.preventDefault(); show(i); }));
Object.values(pick).forEach(it => it.addEventListener("change", sift));
document.getElementById("back").addEventListener("click", () => step(-1));
document.getElementById("on").addEventListener("click", () => step(1));
document.addEventListener("keydown", event => {
  if (event.target.tagName === "SELECT") return;
  if (event.key === "ArrowDown" || event.key === "ArrowRight") { step(1); event.preventDefault(); }
  if (event.key === "ArrowUp" || event.key === "ArrowLeft") { step(-1); event.preventDefault(); }
});
show(0);
</script></body></html>
"""
