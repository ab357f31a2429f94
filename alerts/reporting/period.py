"""Whole local days as instants: correct over changes of the clocks. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo


def instants_of(first: date, last: date, zone: ZoneInfo) -> tuple[int, int]:
    """From the beginning of ``first`` to the end of ``last``, which counts too, in epoch ms."""
    return _midnight_ms(first, zone), _midnight_ms(last + timedelta(days=1), zone)


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
