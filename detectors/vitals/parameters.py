"""Every threshold of the vitals detector that is not one of a single sign, with its unit and the reason for it.

What belongs to one sign alone stands in :mod:`detectors.vitals.signs`, what belongs to one rule in
:mod:`detectors.vitals.rules`; the hash of the parameters covers all three.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalsParameters:
    """When a reading counts, what is usual, and what is a change.

    Attributes:
        late_s: a live reading that is older than this on arrival is treated as a historical one.
        future_s: a reading from further ahead than this is not taken: it would make all that follow look old.
        quality_share: a reading that its device gives less than this is no measurement.
        moving_g: a wearer with a higher mean ENMO moves: pulse, breathing and oxygen are not those of rest. Sitting and
            lying stay below 0.02 to 0.03, slow walking is above 0.05.
        recover_s: and are not yet so long afterwards.
        unseen_s: when nothing has told for so long whether somebody moves, exertion may be why the pulse is fast,
        unseen_confirm_s: and what that would explain has to hold for so long.
        level_s: time constant of the running level of pulse, breathing, oxygen and temperature. A level is what is
            compared with the usual, so that no single reading is.
        gap_s: after a gap of this length a level begins anew.
        bin_days: a time of day is known after this many days with it, and a person after as many days.
        usual_sigma: what is called usual reaches so far to both sides.
        clip_sigma: a reading enters the learning as being no further than this from what is usual.
        spread_gain: how fast the spread of a time of day follows its newest one.
        cusum_slack_sigma: a level this far from the usual is not yet evidence of a shift.
        cusum_sigma: the sum of what exceeds it, one independent reading per ``cusum_s``, from which a shift is told.
        cusum_s: readings closer together than this count in proportion: the body does not change from one to the next.
        clear_share: a shift is over when the sum is below this share of what told it.
        fever_celsius: no rise is called fever below this.
        combine_sigma: one sign of a combination is this far from its usual,
        beside_sigma: and the other this far.
        oxygen_drop_pct: saturation has fallen by so much in a combination.
        shock_index_share: pulse divided by systolic pressure from which falling pressure is believed. 0.5 to 0.7 is
            usual, from 0.9 on patients do worse (Allgower and Burri 1967; Rady et al. 1994).
        irregular_bpm: a pulse whose readings differ by so much from one to the next is irregular.
        within_usual_sigma: a sign this close to what is usual for the person is no news, whatever it scores,
        within_usual_share: if it is no further away than so many of the changes that matter: restless people count too.
        news2_beyond_usual_points: of what the others score beyond their usual values, so much calls somebody.
        falling_mmol_l: glucose below this that will be below ``falling_to_mmol_l`` within ``ahead_s``, at the pace of
            the last two readings, is told before it is there.
        falling_to_mmol_l: see above.
        ahead_s: see above.
        quiet_warning_s: within this time after an alarm of the same person, another that is no more urgent is written
            down only, when it is a warning,
        quiet_urgent_s: when it is urgent,
        quiet_critical_s: when it is critical.
        tick_s: how often time alone is looked at.
        score_every_s: how often a person's score is written at most.
    """

    late_s: float = 900.0
    future_s: float = 120.0
    quality_share: float = 0.5
    moving_g: float = 0.05
    recover_s: float = 300.0
    unseen_s: float = 900.0
    unseen_confirm_s: float = 3600.0
    level_s: float = 600.0
    gap_s: float = 1800.0
    bin_days: float = 5.0
    usual_sigma: float = 2.0
    clip_sigma: float = 4.0
    spread_gain: float = 0.2
    cusum_slack_sigma: float = 1.5
    cusum_sigma: float = 8.0
    cusum_s: float = 1800.0
    clear_share: float = 0.25
    fever_celsius: float = 37.5
    combine_sigma: float = 2.5
    beside_sigma: float = 2.0
    oxygen_drop_pct: float = 3.0
    shock_index_share: float = 0.8
    irregular_bpm: float = 7.0
    news2_beyond_usual_points: float = 2.0
    within_usual_sigma: float = 2.5
    within_usual_share: float = 1.5
    falling_mmol_l: float = 5.0
    falling_to_mmol_l: float = 3.1
    ahead_s: float = 1200.0
    quiet_warning_s: float = 43_200.0
    quiet_urgent_s: float = 7200.0
    quiet_critical_s: float = 1800.0
    tick_s: float = 30.0
    score_every_s: float = 300.0
