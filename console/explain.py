"""The features of a finding in words that can be checked on the plot. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from console.texts import Texts

#: g of variation after the impact below which a wearer lies still (0.08 is what the fall detector calls still), and
#: below which they move little.
_STILL_G = 0.08
_LITTLE_G = 0.25
#: Below these a feature says nothing to a person.
_FREEFALL_S = 0.08
_POSTURE_DEG = 30.0
_TURNED_DEG = 60.0
_MISSING_PCT = 5.0


def in_words(kind: str, detector: str, features: Mapping[str, float], texts: Texts) -> list[str]:
    """What made the decision, most telling first; ``[]`` when the features hold nothing that has words.

    Reads ``peak_g``, ``freefall_s``, ``after_vector_std_g``, ``posture_change_deg``, ``turned_deg`` and
    ``missing_pct``; an absent or non-finite one is passed over.
    """
    said: list[str] = []

    def value(name: str) -> float | None:
        number = features.get(name)
        return number if isinstance(number, int | float) and math.isfinite(number) else None

    if kind == "sos":
        said.append(texts("why.sos"))
    elif kind == "fall" and detector == "event":
        said.append(texts("why.device_fall"))
    if (peak := value("peak_g")) is not None:
        said.append(texts("why.peak", n=f"{peak:.1f}"))
    if (freefall := value("freefall_s")) is not None and freefall >= _FREEFALL_S:
        said.append(texts("why.freefall", n=f"{freefall:.1f}"))
    if (after := value("after_vector_std_g")) is not None:
        said.append(texts("why.still" if after < _STILL_G else "why.little" if after < _LITTLE_G else "why.moved"))
    if (posture := value("posture_change_deg")) is not None and posture >= _POSTURE_DEG:
        said.append(texts("why.posture", n=f"{posture:.0f}"))
    if (turned := value("turned_deg")) is not None and turned >= _TURNED_DEG:
        said.append(texts("why.turned", n=f"{turned:.0f}"))
    if (missing := value("missing_pct")) is not None and missing >= _MISSING_PCT:
        said.append(texts("why.missing", n=f"{missing:.0f}"))
    return said
