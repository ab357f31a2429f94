"""What the alerts service is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from zoneinfo import ZoneInfo

from alerts.known import Rules
from alerts.policy import HISTORICAL, IMMEDIATE


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Settings of :class:`alerts.service.AlertService`.

    Attributes:
        link_key: signs acknowledge links; at least 16 characters, the same as the console's.
        public_url: where responders reach the console, for the links.
        time_zone: IANA name of the zone that local times in messages are in.
        step_s: how long a responder has before the next one is called.
        repeat_s: how long after the last of the order the calls begin again from the top.
        arrival_s: how long after an acknowledgement somebody must be on scene.
        fuse_s: detections of one person join an open incident within this time of its evidence.
        prompt_s: how long a device shows its wearer the question.
        link_valid_s: how long an acknowledge link is good.
        webhook_timeout_s: how long one webhook call may take in all.
        area_state_s: how often the state of the areas is reported.
        replies: whether text messages can be answered, so that they say how.
    """

    link_key: str
    public_url: str
    time_zone: str = "Asia/Shanghai"
    step_s: float = IMMEDIATE.step_s
    repeat_s: float = IMMEDIATE.repeat_s
    arrival_s: float = IMMEDIATE.arrival_s
    fuse_s: float = 600.0
    prompt_s: float = 60.0
    link_valid_s: float = 12 * 3600.0
    webhook_timeout_s: float = 10.0
    area_state_s: float = 60.0
    replies: bool = False

    @cached_property
    def rules(self) -> Rules:
        """What decides about detections."""
        policy = replace(IMMEDIATE, step_s=self.step_s, repeat_s=self.repeat_s, arrival_s=self.arrival_s)
        return Rules(policy=policy, historical=HISTORICAL, fuse_s=self.fuse_s, prompt_s=self.prompt_s)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of local times. Raises zoneinfo.ZoneInfoNotFoundError when there is no such zone."""
        return ZoneInfo(self.time_zone)
