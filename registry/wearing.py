"""Whose the devices are, and what a detector has to know of them: a few columns, without the names and the rest.

A process that needs no more of the registry keeps a tenth of a :class:`~registry.snapshot.Directory`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, func, select

from registry import models
from registry.entries import parent_of
from registry.rows import read_revision


@dataclass(frozen=True, slots=True)
class Worn:
    """One device: ``area`` is its person's where it has none of its own, the root's where neither has one; what stands
    below ``kind`` is of the person, as the registry has it."""

    device: str
    person: str | None
    area: str | None
    placement: str
    kind: str
    fall_point: str = ""
    conditions: tuple[str, ...] = ()
    spo2_scale: int = 1
    limits: Mapping[str, float] = field(default_factory=dict)
    residents: int = 1
    pets: bool = False


def worn_devices(source: Engine) -> tuple[int, list[Worn]]:
    """The revision of the registry, and all devices at it."""
    with source.connect() as connection:
        return read_revision(connection), _read(connection)


def _read(connection: Connection) -> list[Worn]:
    device, person = models.device.c, models.person.c
    paths = set(connection.execute(select(models.area.c.path)).scalars())
    tops = [path for path in paths if parent_of(path) not in paths]
    root = min(tops, key=lambda path: (path.count("."), path), default=None)
    query = select(
        device.id, device.person, func.coalesce(device.area, person.area, root), device.placement, device.kind,
        person.fall_point, person.conditions, person.spo2_scale, person.limits, person.residents, person.pets,
    ).select_from(models.device.outerjoin(models.person, device.person == person.key)).order_by(device.id)  # fmt: skip
    same = sys.intern  # a district has few areas, placements and kinds
    found = []
    for name, who, area, placement, kind, point, conditions, scale, limits, residents, pets in connection.execute(
        query
    ):
        where = None if area is None else same(area)
        worn = Worn(name, who, where, same(placement), same(kind))
        if point is not None:  # it is somebody's
            worn = Worn(
                name, who, where, same(placement), same(kind), point, tuple(conditions), scale, limits, residents, pets
            )
        found.append(worn)
    return found
