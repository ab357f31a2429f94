"""The form of a policy with its steps, a policy in plain words, and who would be called. Pure but for the reading of
who is where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from alerts.nearest import calls_for
from alerts.policy import IMMEDIATE, policy_of
from console.administration.fields import split_words
from console.texts import Texts
from registry import Directory
from registry.entries import RELATIONS, PolicyEntry, PolicyStep

MOST_STEPS = 30
TIERS = ("", "own", "above", "desk")
STEP_FIELDS = ("tier", "layer", "role", "relation", "within_min", "responders", "after_s", "channels", "counts")
STEP_TICKS = ("together", "beside", "workdays", "emergency")
PLAIN = ("zone", "repeat_s", "arrival_s", "resolve_h", "ask", "prompt_s", "acknowledgements")
_FIRST = {"repeat_s": "120", "arrival_s": "900", "ask": "immediate", "acknowledgements": "1"}
ASKS = ("immediate", "first", "never")
RELATION_CHOICES = ("", *RELATIONS)


@dataclass(frozen=True, slots=True)
class Called:
    """Somebody who would be called ``after_s`` seconds after the incident opens. ``how``: in turn, or beside;
    ``travel_s`` where it is known."""

    id: str
    name: str
    after_s: float
    how: str
    travel_s: int | None = None


def fresh_policy(zone: str) -> dict[str, str]:
    """An empty form: whoever is on call, one after the other."""
    return {**_FIRST, "zone": zone, "steps": "1", "step_0_after_s": "30"}


def shown_policy(entry: PolicyEntry) -> dict[str, str]:
    """A policy as its form shows it."""
    row: dict[str, Any] = msgspec.to_builtins(entry)
    values = {name: _text(row[name]) for name in ("id", "area", *PLAIN)}
    values["kinds"] = ", ".join(entry.kinds)
    if not entry.ask_wearer:
        values["ask"] = "never"
    values["steps"] = str(len(entry.steps))
    for number, step in enumerate(row["steps"]):
        for name in STEP_FIELDS:
            values[f"step_{number}_{name}"] = _text(step[name])
        for name in STEP_TICKS:
            values[f"step_{number}_{name}"] = "1" if step[name] else ""
    return values


def policy_texts(form: Mapping[str, str], was: PolicyEntry | None) -> dict[str, Any]:
    """What a form says, as a file of policies would."""
    values: dict[str, Any] = {
        "id": form.get("id", "").strip() if was is None else was.id,
        "area": form.get("area", "").strip(),
        "kinds": split_words(form.get("kinds", "")),
        "steps": [_step(form, number) for number in range(step_count(form))],
    }
    values |= {name: text for name in PLAIN if (text := form.get(name, "").strip())}
    return {name: value for name, value in values.items() if value != "" or name == "kinds"}


def _step(form: Mapping[str, str], number: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in STEP_FIELDS:
        text = form.get(f"step_{number}_{name}", "").strip()
        if name in ("responders", "channels"):
            found[name] = split_words(text)
        elif name == "counts" and text:
            found[name] = text == "yes"
        elif text:
            found[name] = text
    return found | {name: form.get(f"step_{number}_{name}") == "1" for name in STEP_TICKS}


def step_count(form: Mapping[str, str]) -> int:
    """How many steps a form has."""
    text = form.get("steps", "0")
    return min(int(text), MOST_STEPS) if text.isdecimal() and len(text) < 4 else 0


def moved(form: Mapping[str, str], what: str) -> dict[str, str]:
    """The form after ``add``, ``up.2``, ``down.0`` or ``drop.1``; as it is after anything else."""
    verb, _, text = what.partition(".")
    count = step_count(form)
    order: list[int | None] = list(range(count))
    at = int(text) if text.isdecimal() and int(text) < count else -1
    if verb == "add" and count < MOST_STEPS:
        order.append(None)
    elif verb == "drop" and at >= 0 and count > 1:
        order.pop(at)
    elif verb == "up" and at > 0:
        order[at - 1], order[at] = order[at], order[at - 1]
    elif verb == "down" and 0 <= at < count - 1:
        order[at + 1], order[at] = order[at], order[at + 1]
    names = (*STEP_FIELDS, *STEP_TICKS)
    values = {name: value for name, value in form.items() if not name.startswith("step_")}
    for number, old in enumerate(order):
        for name in names:
            if old is None:
                values[f"step_{number}_{name}"] = "30" if name == "after_s" else ""
            elif f"step_{old}_{name}" in form:
                values[f"step_{number}_{name}"] = form[f"step_{old}_{name}"]
    return {**values, "steps": str(len(order))}


def step_words(texts: Texts, step: PolicyStep, names: Mapping[str, str]) -> str:
    """A step in plain words: whom, and how."""
    if step.responders:
        whom = texts("list.comma").join(names.get(one, one) for one in step.responders)
    elif step.emergency:
        whom = texts("step.emergency")
    elif step.relation:
        whom = texts.of("kin", step.relation)
        if step.within_min is not None:
            whom = texts("step.within", whom=whom, n=f"{step.within_min:g}")
    else:
        whom = texts.of("tier", step.tier or "all")
        if step.layer is not None:
            whom = texts("step.layer", whom=whom, n=step.layer)
        if step.role:
            whom = texts("step.role", whom=whom, role=step.role)
    how = []
    if step.beside:
        how.append(texts("step.beside"))
    elif step.together:
        how.append(texts("step.together", n=f"{step.after_s:g}"))
    else:
        how.append(texts("step.each", n=f"{step.after_s:g}"))
    if step.workdays:
        how.append(texts("step.workdays"))
    if step.channels:
        how.append(texts("step.channels", names=texts("list.comma").join(step.channels)))
    if step.counts is not None:
        how.append(texts("step.counts" if step.counts else "step.counts_not"))
    return texts("step.line", whom=whom, how=texts("list.comma").join(how))


def plan(
    connection: Connection,
    directory: Directory,
    area: str,
    person: str | None,
    now_ms: int,
    entry: PolicyEntry | None,
) -> tuple[list[Called], list[str]]:
    """Who would be called now and after how many seconds, if nobody answers, in the first round; and who is passed over
    because they have no channel (names)."""
    policy = policy_of(entry) if entry is not None else IMMEDIATE
    calls = calls_for(connection, directory, area, person, now_ms, policy=policy)
    found = [Called(one.responder.id, one.responder.name, 0.0, "beside") for one in calls.beside]
    after_s = 0.0
    passed: list[str] = []
    for responder in calls.order:
        if not responder.channels:
            passed.append(responder.name)
            continue
        travel = calls.said.get(responder.id, {}).get("travel_s")
        found.append(Called(responder.id, responder.name, after_s, "call", travel))
        after_s += calls.waits.get(responder.id, policy.step_s)
    return found, passed


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else f"{value}"
