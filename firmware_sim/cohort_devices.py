"""What the devices of a simulated cohort make of the bodies: noise, gaps, routines of measuring, artefacts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from firmware_sim.cohort_events import DAY_MS, Span, asleep
from firmware_sim.cohort_people import Flags, Floats, Traits

#: Standard deviation of a reading, by sign.
NOISE = {"hr": 1.8, "spo2": 0.6, "rr": 0.9, "temp": 0.06, "sbp": 4.0, "dbp": 3.0, "weight": 0.2, "glucose": 0.25}
DECIMALS = {"temp": 1, "weight": 1, "glucose": 1}
WORN = ("hr", "spo2", "rr", "temp")
#: Nothing reports a number outside of this.
SENSIBLE = {
    "hr": (30, 220), "spo2": (60, 100), "rr": (4, 60), "temp": (28, 42), "sbp": (60, 260), "dbp": (30, 150),
    "weight": (30, 200), "glucose": (1.5, 30),
}  # fmt: skip
_CHARGES_H = 1.3
_CUFF_H = (8.0, 20.0)
_SCALES_H = 7.0
_PRICKS_H = (7.2, 17.8)
SENSOR_S = 300
#: A cuff's manual asks for five minutes of sitting; so many do not do so.
_SITS_S, _HASTY = 300, 0.2


class Devices:
    """The devices of everybody. Takes what :class:`firmware_sim.cohort_bodies.Bodies` takes."""

    def __init__(self, traits: Traits, every_s: int, utc_offset_s: int, rng: np.random.Generator) -> None:
        self._traits, self._every_s, self._rng = traits, every_s, rng
        self._offset_ms = utc_offset_s * 1000
        n = len(traits)
        self._share = every_s / 3600  # of an hour
        self._late_h = rng.normal(0, 0.5, n)
        self._again = np.zeros(n, np.bool_)  # the cuff is inflated a second time
        self._rested_s = np.zeros(n)
        self._hasty = np.zeros(n, np.bool_)  # does not sit down before it today
        self._partner = traits.weight + rng.choice([-1, 1], n) * rng.uniform(8, 20, n)
        self._loose_c = np.full(n, np.nan)  # what a loose sensor has cooled to
        self._last = {name: np.full(n, np.nan) for name in WORN}
        self._day = -1
        self._today = {name: np.zeros(n, np.bool_) for name in ("cuff0", "cuff1", "scales", "prick0", "prick1")}
        self._asked: set[int] = set()

    def measure(
        self, t_ms: int, hour: float, body: dict[str, Floats], effort: Floats, going: list[Span], wrong: list[Span]
    ) -> tuple[dict[str, Floats], Flags]:
        """Everything that is sent at ``t_ms`` by name, and from whom there is anything."""
        traits, rng = self._traits, self._rng
        n = len(traits)
        sleeps = asleep(traits, hour)
        values: dict[str, Floats] = {}
        for name, size in NOISE.items():
            noisy = body[name] + size * rng.standard_normal(n)
            low, high = SENSIBLE[name]
            values[name] = np.asarray(np.round(np.clip(noisy, low, high), DECIMALS.get(name, 0)), np.float64)
        dips = sleeps & traits.apnoea & (rng.random(n) < 0.04)
        values["spo2"] = np.where(dips, values["spo2"] - rng.integers(4, 12, n), values["spo2"])
        # steps are taken for heartbeats now and then
        fooled = (effort > 0) & (rng.random(n) < 0.15)
        values["hr"] = np.where(fooled, np.round(rng.uniform(105, 135, n)), values["hr"])
        values["quality"] = np.where(traits.tells_quality, np.round(rng.uniform(0.75, 1.0, n), 2), np.nan)
        motion = np.where(effort > 0, 0.06 + 0.2 * effort, 0.004 + 0.012 * rng.random(n) * np.where(sleeps, 0.0, 1.0))
        values["enmo_g"] = np.where(traits.tells_motion, motion, np.nan)
        self._rested_s = np.where(effort > 0, 0.0, self._rested_s + self._every_s)
        self._keep(values, self._asked_for(t_ms, hour, sleeps, going))
        self._spoil(values, wrong)
        for name in WORN:
            self._last[name] = values[name].copy()
        charging = (hour - traits.charges_h) % 24 < _CHARGES_H
        worn = ~charging & ~(traits.off_at_night & sleeps) & (rng.random(n) > 0.02)
        for name in (*WORN, "quality", "enmo_g"):
            values[name][~worn] = np.nan
        there = np.zeros(n, np.bool_)
        for name in NOISE:
            there |= np.isfinite(values[name])
        return values, there

    def _keep(self, values: dict[str, Floats], asked: dict[str, Flags]) -> None:
        """What is not worn is measured only when somebody does."""
        for name, of in asked.items():
            for sign in ("sbp", "dbp") if name == "cuff" else (name,):
                values[sign][~of] = np.nan

    def _asked_for(self, t_ms: int, hour: float, sleeps: Flags, going: list[Span]) -> dict[str, Flags]:
        """Who uses the cuff, the scales, a lancet now."""
        traits, rng = self._traits, self._rng
        n = len(traits)
        day = (t_ms + self._offset_ms) // DAY_MS
        if day != self._day:
            self._day = day
            often = np.where(traits.hypertension, 0.85, 0.25)
            weighs = np.where(traits.heart_failure, 0.9, 0.3)
            pricks = np.where(traits.diabetes & ~traits.glucose_sensor, 0.8, 0.0)
            for name, share in (("cuff0", often), ("cuff1", often), ("scales", weighs), ("prick0", pricks),
                                ("prick1", pricks)):  # fmt: skip
                self._today[name] = rng.random(n) < share
            self._late_h = rng.normal(0, 0.5, n)
            self._hasty = rng.random(n) < _HASTY
        rested = self._hasty | (self._rested_s >= _SITS_S)

        def due(name: str, at_h: float) -> Flags:
            now = self._today[name] & (hour >= at_h + self._late_h) & ~sleeps & (rested | ("cuff" not in name))
            self._today[name] = self._today[name] & ~now
            return now

        cuff = self._again.copy()
        first = due("cuff0", _CUFF_H[0]) | due("cuff1", _CUFF_H[1])
        cuff |= first
        self._again = first & traits.hypertension
        prick = due("prick0", _PRICKS_H[0]) | due("prick1", _PRICKS_H[1])
        sensor = traits.glucose_sensor & (t_ms // 1000 % max(SENSOR_S, self._every_s) < self._every_s)
        for span in going:  # who feels ill measures, some of them
            passed = (t_ms - span.begin_ms) / (span.event_ms - span.begin_ms)
            if passed > 0.75 and span.person not in self._asked:
                self._asked.add(span.person)
                if rng.random() < 0.5:
                    cuff[span.person] |= span.kind in ("hypertensive_crisis", "sepsis")
                    self._again[span.person] |= bool(cuff[span.person])
                    prick[span.person] |= span.kind == "hypoglycaemia"
        return {"cuff": cuff, "weight": due("scales", _SCALES_H), "glucose": prick | sensor}

    def _spoil(self, values: dict[str, Floats], wrong: list[Span]) -> None:
        rng, traits = self._rng, self._traits
        loose = np.zeros(len(traits), np.bool_)
        for span in wrong:
            p = span.person
            one = {name: float(column[p]) for name, column in values.items()}
            if span.kind == "loose":
                loose[p] = True
                self._loose_c[p] = come_loose(one, float(self._loose_c[p]), self._every_s, traits.tells_quality[p], rng)
            else:
                spoil(span, one, {name: float(self._last[name][p]) for name in WORN}, traits.tells_quality[p], rng)
            for name, value in one.items():
                values[name][p] = value
        self._loose_c[~loose] = np.nan
        shares = traits.shares_scales & (rng.random(len(traits)) < 0.25)
        other = np.round(self._partner + rng.normal(0, 0.3, len(traits)), 1)
        values["weight"] = np.where(shares & np.isfinite(values["weight"]), other, values["weight"])
        # single readings of twice or half the pulse, of oxygen far too low
        spikes = rng.random(len(traits)) < 2.0 / 7 / 24 * self._share
        if spikes.any():
            factor = rng.choice([0.5, 2.0], len(traits))
            values["hr"] = np.where(spikes, np.round(values["hr"] * factor), values["hr"])
            values["spo2"] = np.where(spikes, values["spo2"] - 15, values["spo2"])


def spoil(
    span: Span, one: dict[str, float], last: Mapping[str, float], tells_quality: bool, rng: np.random.Generator
) -> None:
    """What an artefact (not ``loose``) makes of one person's readings; NaN stays NaN.

    Args:
        span: the artefact.
        one: the readings by name; changed in place.
        last: what the watch showed before.
        tells_quality: whether the device tells how good a reading is.
        rng: of everything.
    """
    if span.kind == "stuck":
        for name in ("hr", "spo2", "rr"):
            one[name] = last[name] if math.isfinite(last[name]) else one[name]
        if math.isfinite(span.effects["held"]):
            one["hr"] = span.effects["held"]
    elif span.kind == "cold_hand":
        one["spo2"] -= round(rng.uniform(3, 7))
        if tells_quality:
            one["quality"] = round(float(rng.uniform(0.2, 0.6)), 2)
    elif span.kind == "pressed_sensor":
        one["glucose"] = float(np.round(span.effects["low"] + rng.normal(0, 0.15), 1)) + one["glucose"] * 0
    elif span.kind == "fahrenheit":
        one["temp"] = float(np.round(one["temp"] * 1.8 + 32, 1))
    elif span.kind == "kilopascal":
        one["sbp"], one["dbp"] = (float(np.round(one[sign] / 7.5006, 1)) for sign in ("sbp", "dbp"))
    elif span.kind == "milligram":
        one["glucose"] = float(np.round(one["glucose"] * 18.016))


def come_loose(
    one: dict[str, float], loose_c: float, elapsed_s: float, tells_quality: bool, rng: np.random.Generator
) -> float:
    """What a loose watch makes of one person's readings, changed in place. ``loose_c`` is what the sensor had cooled to
    at the reading before (NaN: it was worn); returns what it has cooled to."""
    if math.isnan(loose_c):
        loose_c = one["temp"]
    loose_c += (31.5 - loose_c) * (1 - float(np.exp(-elapsed_s / 900)))
    one["temp"] = round(float(loose_c + rng.normal(0, 0.1)), 1)
    one["hr"] = round(rng.uniform(40, 185)) if rng.random() < 0.6 else 0.0
    one["spo2"] = round(rng.uniform(72, 95)) if rng.random() < 0.6 else 0.0
    one["rr"] = round(rng.uniform(6, 40)) if rng.random() < 0.6 else math.nan
    if tells_quality:
        one["quality"] = round(float(rng.uniform(0.05, 0.45)), 2)
    return loose_c
