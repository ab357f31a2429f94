"""Does somebody watch the watcher, and what did the probe see last?"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

import registry
from alerts.drills import TEST_DEVICE, channels_of_tests
from carecircle.probe.watch import last
from carecircle.settings import Settings

_Result = tuple[bool, str, str, str]
_HOW = "See `Who watches the watcher` in docs/operations.md."


def check_probe(settings: Settings) -> Iterator[_Result]:
    """``(ok, what, found, advice)``: the set-up, and the last round."""
    probe = settings.probe
    if not probe.device:
        yield False, "probe", "none: nobody is told when calls for help do not get through", _HOW
        return
    missing = list(_missing(settings))
    if missing:
        yield False, "probe", "; ".join(missing), _HOW
        return
    found = last(settings)
    done = found.get("round")
    if not isinstance(done, dict):
        yield False, "probe", "set up, and has not run here", "Start it: `carecircle run --role probe`."
        return
    age_s = time.time() - float(done["at_ms"]) / 1000
    if age_s > 2 * probe.every_s + probe.within_s:
        yield False, "probe", f"was last seen {age_s / 60:.0f} min ago", "Start it: `carecircle run --role probe`."
    elif done["faults"]:
        unpaged = f" The operator could not be paged: {'; '.join(done['not_paged'])}." if done["not_paged"] else ""
        yield False, "probe", f"{'; '.join(done['faults'])} ({age_s / 60:.0f} min ago)", f"Look there first.{unpaged}"
    else:
        yield True, "probe", f"an SOS came through in {done['seen']['received_s']:.2f} s, {age_s / 60:.0f} min ago", ""


def _missing(settings: Settings) -> Iterator[str]:
    probe = settings.probe
    if not probe.heartbeat_url:
        yield "no heartbeat leaves this machine: set probe.heartbeat_url"
    if not probe.mail.host and not settings.probe_webhook_url():
        yield "there is no way to page the operator: set probe.mail or probe.webhook"
    engine = registry.create_engine(settings.resolved_database_url(), keys=settings.registry_keys())
    try:
        known = registry.directory(engine)
    except SQLAlchemyError:  # another check says so
        return
    finally:
        engine.dispose()
    device = known.device(probe.device)
    if device is None or device.kind != TEST_DEVICE:
        yield f"{probe.device} is no device of the kind {TEST_DEVICE!r} in the registry"
    secrets = [one.secret for entry in channels_of_tests(known) for one in entry.channels if one.type == "webhook"]
    if not secrets:
        yield "no responder with the role 'test' has a webhook"
    elif settings.probe_secret() not in secrets:
        yield "the secret of the test channel is not that of the registry"
