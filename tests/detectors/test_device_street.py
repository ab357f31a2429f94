"""A street of 300 homes: one power cut, three empty batteries, a storm, and clocks; and nothing else is said."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detection import Detection, Severity, Stage
from detectors.device.batch import Heard, LinkBatch, Messages, Statuses, empty_batch
from detectors.device.link import AREA_DEVICE, DeviceBank
from tests.detectors.link_story import DAY, HOUR, MINUTE, LinkStory, ms, said, signs

HOMES = 300
STREET = "city.district.lane"
#: Per home: a hub that beats every minute and four sensors that say hourly how they are.
SENSORS = 4
#: First charge in % and loss a day: the first two would last into the third month, the last into the seventh week.
BATTERIES = {17: (70.0, 1.5), 120: (60.0, 1.2), 255: (90.0, 2.2)}


class Street:
    """The messages of the street, made by the hour. Mains-powered hubs promise a word every ``beat_s``, sensors every
    hour; all of them speak within the first ``sensors_s`` of it."""

    def __init__(self, *, beat_s: int = 60, sensors_s: float = 3600.0) -> None:
        self.beat_s, self.sensors_s = beat_s, sensors_s
        self.bank = DeviceBank()
        self.found: list[Detection] = []
        self.hubs = np.array([self._add(home, "hub") for home in range(HOMES)])
        self.sensors = np.array([[self._add(home, f"s{k}") for k in range(SENSORS)] for home in range(HOMES)])
        for home in range(40):  # and the next street, which has nothing to do with it
            self.bank.add(f"other{home}", person=f"q{home}", area="city.district.other", kind="hub")
        self.others = np.arange(HOMES * (SENSORS + 1), HOMES * (SENSORS + 1) + 40)
        self._phase = np.random.default_rng(1).uniform(0, 1, len(self.bank))
        self._charge = np.full(HOMES, 95.0)
        self._loss = np.full(HOMES, 0.05)
        for home, (charge, loss) in BATTERIES.items():
            self._charge[home], self._loss[home] = charge, loss

    def _add(self, home: int, name: str) -> int:
        kind = "hub" if name == "hub" else "sensor"
        return self.bank.add(f"h{home}-{name}", person=f"p{home}", area=STREET, kind=kind)

    def hour(self, hour: int, *, dark_s: tuple[float, float] | None = None) -> None:
        """All messages of an hour; none of the street between ``dark_s`` (seconds of the hour)."""
        at_s, row, pct, beat_s = [], [], [], []
        for start_s in range(0, 3600, self.beat_s):
            mains = np.concatenate([self.hubs, self.others])
            at_s.append(start_s + self._phase[mains] * min(self.beat_s, self.sensors_s))
            row.append(mains)
            pct.append(np.full(len(mains), np.nan))
            beat_s.append(np.full(len(mains), float(self.beat_s)))
        sensors = self.sensors.ravel()
        at_s.append(self._phase[sensors] * self.sensors_s)
        row.append(sensors)
        level = np.repeat(self._charge - self._loss * hour / 24, SENSORS)
        level[np.arange(len(sensors)) % SENSORS != 0] = 95.0  # one sensor of a home has the weak battery
        pct.append(np.maximum(level, 0.0))
        beat_s.append(np.full(len(sensors), 3600.0))
        at, rows, charge, beats = (np.concatenate(part) for part in (at_s, row, pct, beat_s))
        speaks = ~(charge <= 0.0)
        if dark_s is not None:
            speaks &= (rows >= self.others[0]) | (at < dark_s[0]) | (at >= dark_s[1])
        order = np.argsort(at, kind="stable")
        order = order[speaks[order]]
        at_ms = np.array(ms(hour * HOUR) + np.rint(at[order] * 1000), np.int64)
        rows, m = rows[order], len(order)
        messages = Messages(
            at_ms, rows, np.full(m, Heard.STATUS, np.uint8), at_ms - 50, np.full(m, hour), np.ones(m, np.int64),
            np.zeros(m, np.int64), np.ones(m, np.bool_),
        )  # fmt: skip
        statuses = Statuses(at_ms, rows, np.ones(m, np.bool_), charge[order], beats[order])
        batch = LinkBatch(messages, statuses, *empty_batch().parts()[2:5])
        self.found += self.bank.update(batch, ms((hour + 1) * HOUR))


@pytest.mark.parametrize("back_min", [25, 170])
def test_a_street_without_power_is_one_finding_and_its_end(back_min: int) -> None:
    """At 03:00 of the second night; 1,500 devices and whoever is on call hears of one thing. The sensors' hourly word
    is not due yet; nobody else is meant."""
    street = Street()
    for hour in range(22, 36):
        dark_s = ((27 - hour) * HOUR, (27 - hour) * HOUR + back_min * MINUTE)
        street.hour(hour, dark_s=dark_s)
    begun, over = street.found
    assert said([begun, over]) == [(AREA_DEVICE, "area_offline", "begins"), (AREA_DEVICE, "area_offline", "over")]
    assert signs(begun) == {"area": STREET}
    assert (begun.stage, begun.severity, begun.person) == (Stage.CONFIRMED, Severity.URGENT, None)
    assert ms(27 * HOUR - 60) <= begun.onset_ms <= ms(27 * HOUR)
    assert begun.decided_ms <= ms(27 * HOUR + 5 * MINUTE)
    assert begun.features["silent_devices"] >= HOMES
    assert "power or network" in begun.notes["en"]
    assert ms(27 * HOUR + back_min * MINUTE) < over.decided_ms <= ms(27 * HOUR + back_min * MINUTE + 7 * MINUTE)


def test_three_batteries_are_told_two_weeks_before_they_are_empty() -> None:
    """Of 1,200: each once, with the days left, at least 14 and not a month ahead; then they are silent."""
    street = Street(beat_s=3600, sensors_s=60.0)
    for hour in range(58 * 24):
        street.hour(hour)
    low = [one for one in street.found if one.kind == "battery_low"]
    assert sorted(one.device for one in low) == sorted(f"h{home}-s0" for home in BATTERIES)
    for one in low:
        charge, loss = BATTERIES[int(one.device[1:].partition("-")[0])]
        empty_ms = ms(charge / loss * DAY)
        before_days = (empty_ms - one.decided_ms) / 1000 / DAY
        assert 14 <= before_days <= 21
        assert one.features["left_days"] == pytest.approx(before_days, abs=1.5)
        assert f"{one.features['left_days']:.0f} days" in one.notes["en"]
    silent = [one for one in street.found if one.kind == "offline"]
    assert sorted(one.device for one in silent) == ["h120-s0", "h17-s0", "h255-s0"]
    assert len(street.found) == len(low) + len(silent)


def test_a_storm_of_one_device_is_one_finding_and_its_neighbours_are_well() -> None:
    """It starts 40 times an hour for three hours."""
    story = LinkStory()
    for k in range(30):
        story.beats(story.device(f"d{k}", person=f"p{k}", area=STREET), k, 8 * HOUR)
    for k in range(120):
        story.says("d7", HOUR + 90.0 * k, boot=1000 + k, seq=0)
        story.status("d7", HOUR + 90.0 * k + 60, online=False)
    begun, over = story.play(8 * HOUR)
    assert said([begun, over]) == [("d7", "reconnects", "begins"), ("d7", "reconnects", "over")]
    assert begun.decided_ms <= ms(HOUR + 10 * MINUTE)
    assert over.decided_ms == ms(6 * HOUR)


def test_small_errors_of_clocks_are_corrected_and_not_told_and_large_ones_are_told() -> None:
    """20 millionths, two seconds, both, and ten minutes; messages are up to some seconds on their way."""
    story = LinkStory()
    clocks = {"drifts": (0.0, 20.0), "skewed": (2.0, 0.0), "both": (-2.0, -20.0), "right": (0.0, 0.0)}
    rng = np.random.default_rng(2)
    for name, (skew_s, ppm) in clocks.items():
        story.device(name, person=name)
        for at_s in np.arange(0, 2 * DAY, 30.0).tolist():
            delay_s = min(float(rng.exponential(0.5)), 20.0)
            story.says(name, at_s, clock_s=skew_s + (at_s - delay_s) * ppm * 1e-6 - delay_s)
    story.device("wrong", person="wrong")
    story.streams("wrong", 0, 2 * DAY, every_s=30, clock_s=-600.0, offset_s=600.0)
    story.device("late", person="late")  # as bad as it may be before ingest corrects it
    story.streams("late", 0, 2 * DAY, every_s=30, clock_s=-90.0)
    found = story.play(2 * DAY)
    assert sorted(said(found)) == [("late", "clock", "begins"), ("wrong", "clock", "begins")]
    assert {one.device: one.features["offset_s"] for one in found} == pytest.approx(
        {"late": 90.0, "wrong": 600.0}, abs=0.1
    )
    assert found[0].notes["en"] == "The device's clock is 10 min behind."
    at_s = 2 * DAY
    rows = np.array([story.bank.add(name, **story.devices[name]) for name in (*clocks, "wrong", "late")])
    stated_ms = np.array([ms(at_s + skew_s + at_s * ppm * 1e-6) for skew_s, ppm in clocks.values()])
    corrected_ms = stated_ms + story.bank.correction_ms(rows, ms(at_s))[:4]
    assert np.abs(corrected_ms - ms(at_s)).max() <= 150  # of up to 5.5 s
    assert story.bank.correction_ms(rows, ms(at_s))[4:].tolist() == [0, 0]  # told, and ingest's
