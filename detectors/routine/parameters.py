"""Every threshold of the routine detector, with its unit in the name and the reason for its value."""

from __future__ import annotations

from dataclasses import dataclass

_MINUTE_S, _HOUR_S = 60.0, 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitParameters:
    """How long a home may be silent.

    Attributes:
        learn_days: a home is known after so many days on which it was heard; before, the defaults hold.
        default_silence_s: silence by day before that. Districts call after four to five hours without a pass of an
            infrared sensor.
        default_night_s: the same in the evening and at night.
        default_small_room_s: the same in a kitchen or a bathroom.
        night_starts_s: where the night of an unknown home begins, after midnight,
        night_ends_s: and where it ends.
        sleep_s: a bedroom this long silent is slept in.
        night_share: the night is when the bedroom is slept in on this share of the days.
        bedtime_s: somebody may go to bed this much earlier than usual.
        sleep_least_s: the silence of a sleeper is not questioned before: sound sleepers move every two hours or so,
            and what a passive sensor sees of it may be every fourth time.
        sleep_margin_share: nor before the longest sleep seen times this,
        wake_s: unless the usual end of the night is past by so much.
        sitting_s: somebody who is silent for so long sits or lies,
        sitting_per_day: and where that happens so often a day is a sitting room.
        tail_s: silences beyond this tell how much longer they may get.
        prior_tail_s: they get longer by so much on average, before anything is known of the home,
        prior_silences: which counts as much as so many silences.
        sitting_kernel_s: what begins so far away in the time of day counts nothing; half as far, two thirds.
        awake_s: a day has so much waking time.
        false_per_day: a limit of a sitting room lies where so many silences a day would exceed it. Two days in a
            month, for all hours together: lower limits were exceeded in cross-validation, see docs/routine.md.
        sitting_least_s: a sitting room's limit is no less: two hours, less two minutes until a tick sees it.
        sitting_most_s: and no more: the districts' four to five hours.
        late_s: nobody sits longer than until so long after the usual beginning of the night.
        sitting_margin_share: the longest silence seen about this time of day times this is not questioned.
        kitchen_least_s: no limit of a kitchen is less. Nobody stands there still for long; longer silences are sensors
            that missed somebody leaving.
        bathroom_least_s: of a bathroom; a shower of 10 minutes and more is silent.
        bedroom_least_s: of a bedroom by day; dressing is silent for five minutes.
        other_least_s: of any other room: where longer silences are usual is a sitting room.
        margin_share: outside sitting rooms, the longest silence seen about this time of day times this is not
            questioned,
        twice_share: nor at any time of day what was seen on two days, times this.
        near_s: about this time of day: so much earlier at the most.
        most_s: no limit is more.
    """

    learn_days: float = 7.0
    default_silence_s: float = 4 * _HOUR_S
    default_night_s: float = 10 * _HOUR_S
    default_small_room_s: float = 1 * _HOUR_S
    night_starts_s: float = 22 * _HOUR_S
    night_ends_s: float = 8 * _HOUR_S
    sleep_s: float = 20 * _MINUTE_S
    night_share: float = 0.25
    bedtime_s: float = 40 * _MINUTE_S
    sleep_least_s: float = 5.5 * _HOUR_S
    sleep_margin_share: float = 1.25
    wake_s: float = 1.5 * _HOUR_S
    sitting_s: float = 40 * _MINUTE_S
    sitting_per_day: float = 0.5
    tail_s: float = 60 * _MINUTE_S
    prior_tail_s: float = 35 * _MINUTE_S
    prior_silences: float = 2.0
    sitting_kernel_s: float = 2.5 * _HOUR_S
    awake_s: float = 15 * _HOUR_S
    false_per_day: float = 0.06
    sitting_least_s: float = 118 * _MINUTE_S
    sitting_most_s: float = 4.5 * _HOUR_S
    late_s: float = 75 * _MINUTE_S
    sitting_margin_share: float = 1.05
    kitchen_least_s: float = 14 * _MINUTE_S
    bathroom_least_s: float = 29 * _MINUTE_S
    bedroom_least_s: float = 29 * _MINUTE_S
    other_least_s: float = 29 * _MINUTE_S
    margin_share: float = 1.25
    twice_share: float = 1.1
    near_s: float = 40 * _MINUTE_S
    most_s: float = 14 * _HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutineParameters:
    """What else the routine detector goes by.

    What is learnt of a habit (how long a stay in the bathroom may be) is the largest value of the last 28 days with a
    margin, and never less than the least.

    Attributes:
        log_s: silences of this length are remembered.
        away_s: silence for so long after a reading at the front door is an absence.
        flow_s: a reading of another room so soon after the last one is somebody walking there.
        blip_s: without that, or while away, somebody is there after several readings within so long,
        blip_readings: namely so many. One on and off of a sensor that nobody passed is a blip: infrared sensors see the
            sun, a heater, a curtain. The two false alarms of the recordings were blips of bathroom and kitchen while
            somebody slept.
        up_readings: so many readings of other rooms than bedroom and bathroom after a sleep mean that somebody is up.
        alone_s: a sensor that alone has spoken for so long, of several, is stuck and no sign of life any more. Longer
            than anybody sleeps.
        together_s: two rooms occupied at once for so long are two people,
        company_s: who are company for so long after it.
        future_s: a reading from so far ahead has a wrong clock and happened when it came.
        mute_s: a sensor that has said nothing for so long may be dead: somebody may be where it cannot be seen.
        habit_share: the margin on the largest value of a habit.
        bathroom_s: a stay in the bathroom, before the habit is known,
        bathroom_least_s: and at the least.
        bed_left_s: being out of bed at night,
        bed_left_least_s: and at the least.
        rise_s: not out of bed by this time of day, before the habit is known,
        rise_margin_s: and so long after the latest time seen.
        dawn_s: the dead of night ends so long before the earliest rise seen: who is up then is up for the day.
        door_s: a front door open by day,
        door_night_s: and at night.
        visit_s: hours at home, the night among them, without a visit to kitchen or bathroom,
        visit_least_s: and at the least.
        not_back_s: before the home is known: not back by this time of day,
        not_back_long_s: or after so long.
        not_back_near_s: the home may be empty so long before and after the times of day at which it ever was. Beyond
            them it is unusual
        not_back_evening_s: from so long before the night until its end,
        not_back_least_s: and by day when it is also longer than this, and than any absence seen with the margin.
        not_back_margin_s: no absence is questioned before.
        wandering_s: changes of rooms at night are counted over about so long;
        wandering_changes: so many, of other rooms than bedroom and bathroom, are wandering, and at the least.
    """

    log_s: float = 5 * _MINUTE_S
    away_s: float = 5 * _MINUTE_S
    flow_s: float = 60.0
    blip_s: float = 3 * _MINUTE_S
    blip_readings: int = 4
    up_readings: int = 10
    alone_s: float = 14 * _HOUR_S
    together_s: float = 90.0
    company_s: float = 2 * _HOUR_S
    future_s: float = 120.0
    mute_s: float = 26 * _HOUR_S
    habit_share: float = 1.5
    bathroom_s: float = 60 * _MINUTE_S
    bathroom_least_s: float = 45 * _MINUTE_S
    bed_left_s: float = 45 * _MINUTE_S
    bed_left_least_s: float = 30 * _MINUTE_S
    rise_s: float = 11 * _HOUR_S
    rise_margin_s: float = 75 * _MINUTE_S
    dawn_s: float = 90 * _MINUTE_S
    door_s: float = 15 * _MINUTE_S
    door_night_s: float = 5 * _MINUTE_S
    visit_s: float = 18 * _HOUR_S
    visit_least_s: float = 10 * _HOUR_S
    not_back_s: float = 23.5 * _HOUR_S
    not_back_long_s: float = 12 * _HOUR_S
    not_back_near_s: float = 60 * _MINUTE_S
    not_back_evening_s: float = 2 * _HOUR_S
    not_back_least_s: float = 4 * _HOUR_S
    not_back_margin_s: float = 60 * _MINUTE_S
    wandering_s: float = 40 * _MINUTE_S
    wandering_changes: float = 10.0
