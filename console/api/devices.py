"""Devices: which there are, and how they are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from console.access.gate import CurrentViewer
from console.access.rules import Permission, allow, listed, of_device, placed
from console.access.viewer import Viewer
from console.api.models import Device, DeviceList, Fault
from console.api.paging import Cursor, Limit, pack, unpack
from console.api.problems import Problem
from console.api.tagging import Tagged
from console.devices.finding import Device as Found
from console.devices.finding import Link, Order, within
from console.devices.index import DeviceIndex


def device_routes(index: DeviceIndex) -> APIRouter:
    """``/devices`` and what is below."""
    router = APIRouter(prefix="/devices", tags=["devices"], route_class=Tagged)

    @router.get("")
    @allow(listed(Permission.DEVICES_READ))
    def list_devices(
        viewer: CurrentViewer,
        area: Annotated[str, Query(max_length=255, description="this one and all below")] = "",
        link: Annotated[Link | None, Query(description="only those that are heard, or not")] = None,
        limit: Limit = 50,
        cursor: Cursor = "",
    ) -> DeviceList:
        """Devices of the user's areas, by id, as they were up to 20 s ago."""
        place = unpack(cursor, str)
        after = str(place[0]) if place is not None else ""
        found = [
            one
            for one in index.fleet().in_order(Order.NAME)
            if one.entry.id > after
            and viewer.sees(one.entry.area)
            and within(one.entry.area, area)
            and (link is None or one.link is link)
        ]
        shown = found[:limit]
        following = pack(shown[-1].entry.id) if len(found) > limit else ""
        return DeviceList(devices=[_device(one, viewer) for one in shown], trouble=index.trouble, next=following)

    @router.get("/{device_id}")
    @allow(placed(Permission.DEVICES_READ, of_device))
    def get_device(viewer: CurrentViewer, device_id: str) -> Device:
        """One device."""
        found = index.fleet().by_id.get(device_id)
        if found is None:
            raise Problem("not-found")
        return _device(found, viewer)

    return router


def _device(one: Found, viewer: Viewer) -> Device:
    entry, state = one.entry, one.state
    return Device(
        id=entry.id, kind=entry.kind, placement=entry.placement, model=entry.model, area=entry.area,
        person=entry.person if viewer.may(Permission.PEOPLE_READ) else "", link=one.link.value,
        heard_ms=state.heard_ms, battery_pct=state.battery_pct, battery_ms=state.battery_ms, lag_ms=state.lag_ms,
        firmware=state.firmware,
        faults=[Fault(kind=f.kind, severity=f.severity, onset_ms=f.onset_ms) for f in one.faults],
    )  # fmt: skip
