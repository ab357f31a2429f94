"""Puts each role together from the settings, and runs it in this process.

What a role needs is imported when it runs: gateway and writer have nothing to do with the database, and nobody but the
console with FastAPI.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from sys import intern
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import registry
from carecircle.settings import Role, Settings
from ingest.memory import give_back

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ingest.devices import Owner

_log = logging.getLogger(__name__)

_DATABASE_RETRY_S = 1.0


def prepare(settings: Settings) -> Engine:
    """Make folders, the link key and the newest tables; every role that uses the database does so first, and it is safe
    to do at once.

    Raises:
        SealedError: the registry was encrypted with a key that is not given.
    """
    import alerts
    import console.access.database
    from registry.sealing import check_keys

    _make_folders(settings)
    settings.link_key()
    engine = registry.create_engine(settings.resolved_database_url(), keys=settings.registry_keys())
    registry.upgrade(engine)
    alerts.upgrade(engine)
    console.access.database.upgrade(engine)
    with engine.connect() as connection:
        check_keys(connection)
    return engine


def prepare_apart(settings: Settings) -> None:
    """:func:`prepare` in a child process: what it needs, migrations above all, is some 10 MB, which we would hold for
    ever."""
    if threading.active_count() == 1:  # none that a child would be without
        child = os.fork()
        if child == 0:
            code = 1
            try:
                prepare(settings).dispose()
                code = 0
            finally:
                os._exit(code)  # whatever it was is met again, and told, below
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return
    prepare(settings).dispose()


def _prepared(settings: Settings) -> Engine:
    prepare_apart(settings)
    return registry.create_engine(settings.resolved_database_url(), keys=settings.registry_keys())


def _make_folders(settings: Settings) -> None:
    for folder in (settings.journal_dir, settings.quarantine_dir, settings.state_dir):
        folder.mkdir(parents=True, exist_ok=True)


def run_role(role: Role, settings: Settings, stop: threading.Event) -> None:
    """Run one role until ``stop``."""
    give_back()
    if role is Role.PROBE:  # it must not wait for what it watches
        from carecircle.probe.watch import watch

        watch(settings, stop)
        return
    if role in _WITHOUT_DATABASE:
        _make_folders(settings)
        _WITHOUT_DATABASE[role](settings, stop)
        return
    engine = _patiently(lambda: _prepared(settings), stop)
    if engine is None:
        return
    _ROLES[role](settings, engine, stop)


def _patiently(attempt: Callable[[], Engine], stop: threading.Event) -> Engine | None:
    """The database may start after us, or another role may be creating the tables."""
    from sqlalchemy.exc import SQLAlchemyError

    said = False
    while not stop.is_set():
        try:
            return attempt()
        except SQLAlchemyError as error:
            if not registry.is_retryable(error):
                raise
            if not said:
                _log.warning("the database does not answer (%s); trying again", error)
                said = True
            stop.wait(_DATABASE_RETRY_S)
    return None


def _gateway(settings: Settings, stop: threading.Event) -> None:
    from ingest.gateway import Gateway
    from ingest.gateway_settings import GatewaySettings

    broker = settings.broker
    Gateway(
        GatewaySettings(
            host=broker.host,
            port=broker.port,
            username=broker.username,
            password=settings.broker_password(),
            command_username=broker.command_username,
            command_password=settings.command_password(),
            tls=broker.tls,
            ca=broker.ca_file,
            cert=broker.cert_file,
            key=broker.key_file,
            keepalive_s=broker.keepalive_s,
            segment_bytes=settings.journal.segment_bytes,
            reserve_bytes=settings.journal.reserve_bytes,
            zigbee_bases=settings.zigbee2mqtt.base_topics,
        ),
        settings.journal_dir,
        settings.quarantine_dir,
        settings.state_dir,
    ).run(stop)


def owners_of(engine: Engine) -> Callable[[], Mapping[str, Owner] | None]:
    """A function that gives whose the registry's devices are whenever it has changed since its last call, else None."""
    from sqlalchemy.exc import SQLAlchemyError

    known = -1

    def changed() -> Mapping[str, Owner] | None:
        nonlocal known
        try:
            if registry.current_revision(engine) == known:
                return None
            revision, devices = registry.worn_devices(engine)
        except SQLAlchemyError as error:
            if not registry.is_retryable(error):
                raise
            _log.warning("the registry does not answer (%s): going on with what is known", error)
            return None
        known = revision
        _log.info("registry revision %d: %d devices", known, len(devices))
        return _owners(devices)

    return changed


def _owners(devices: Iterable[registry.Worn]) -> dict[str, Owner]:
    from ingest.devices import ANYBODY, Owner, Profile

    profiles: dict[Profile, Profile] = {ANYBODY: ANYBODY}
    owners = {}
    for worn in devices:
        profile = Profile(
            worn.conditions, worn.spo2_scale, tuple(sorted(worn.limits.items())), worn.residents, worn.pets
        )
        profile = profiles.setdefault(profile, profile)  # most people's are alike
        person, area = (None if text is None else intern(text) for text in (worn.person, worn.area))
        owners[worn.device] = Owner(person, area, worn.placement, worn.fall_point, intern(worn.kind), profile)
    return owners


def _processor(settings: Settings, engine: Engine, stop: threading.Event) -> None:
    from contextlib import ExitStack

    from threadpoolctl import threadpool_limits

    from detectors.fall.bank import FallBank
    from detectors.fall.weights import load_model, shipped_model
    from ingest.adapters.zigbee2mqtt import Zigbee2Mqtt
    from ingest.devices import FallPoints
    from ingest.lanes import lanes_of
    from ingest.motion_lane import RowBank
    from ingest.pipeline import Pipeline
    from ingest.processor import Processor, ProcessorSettings
    from ingest.shards import FallShards

    # the products are small: more threads would wait for each other and keep every core busy with it
    threadpool_limits(limits=1, user_api="blas")
    falls = settings.falls
    model = load_model(falls.weights) if falls.weights else shipped_model()
    points = FallPoints(falls.operating_point, falls.placements.model_dump(exclude_none=True))
    bases = settings.zigbee2mqtt.base_topics
    lanes = lanes_of(
        vitals=settings.vitals.enabled,
        routine=settings.routine.enabled,
        devices=settings.devices.enabled,
        zone=ZoneInfo(settings.console.time_zone),
        now_ms=time.time_ns() // 1_000_000,
    )
    where = ProcessorSettings(
        settings.journal_dir,
        settings.quarantine_dir,
        settings.state_dir,
        checkpoint_every_s=settings.journal.checkpoint_s,
        segment_bytes=settings.journal.segment_bytes,
        homes_every_s=settings.routine.snapshot_s,
    )
    banks: tuple[RowBank, RowBank] = FallBank(model), FallBank(model)
    with ExitStack() as stack:
        if falls.shards > 1:
            shards = stack.enter_context(FallShards(FallBank(model), falls.shards))
            _log.info("falls are looked for in processes %s", ", ".join(map(str, shards.process_ids)))
            banks = shards.bank(), shards.bank()
        zigbee = Zigbee2Mqtt(bases) if bases else None
        pipeline = Pipeline(*banks, points, zigbee=zigbee, lanes=lanes)
        Processor(where, pipeline, owners=owners_of(engine)).run(stop)


def _writer(settings: Settings, stop: threading.Event) -> None:
    from ingest.writer import open_writer
    from store import StoreError, open_store

    while not stop.is_set():
        try:
            store = open_store(settings.resolved_store_url(), token=settings.store_token(), org=settings.store.org)
            break
        except StoreError as error:
            _log.error("%s", error)
            stop.wait(_DATABASE_RETRY_S)
    else:
        return
    try:
        open_writer(store, settings.data_dir, host=socket.gethostname()).run(stop)
    finally:
        store.close()


def _alerts(settings: Settings, engine: Engine, stop: threading.Event) -> None:
    from alerts.service import AlertService
    from alerts.settings import AlertSettings

    AlertService(
        engine,
        settings.journal_dir if settings.alerts.worker == "journals" else None,
        AlertSettings(
            step_s=settings.alerts.step_s,
            repeat_s=settings.alerts.repeat_s,
            link_key=settings.link_key(),
            public_url=settings.resolved_public_url(),
            time_zone=settings.console.time_zone,
            replies=bool(settings.reply_secret() or settings.twilio_token()),
        ),
    ).run(stop)


def _console(settings: Settings, engine: Engine, stop: threading.Event) -> None:
    from console.app import create_app
    from console.server import serve
    from console.settings import ConsoleSettings, OidcSettings

    given = settings.console
    oidc = given.oidc.model_dump(exclude={"client_secret", "client_secret_file"})
    app = create_app(
        engine,
        ConsoleSettings(
            link_key=settings.link_key(),
            public_url=settings.alerts.public_url,
            time_zone=given.time_zone,
            login=given.login,
            metrics_open=given.metrics_open,
            host_names=(*given.host_names, given.host),
            trusted_proxies=given.trusted_proxies,
            session_h=given.session_h,
            idle_h=given.idle_h,
            remember_d=given.remember_d,
            oidc=OidcSettings(**oidc, client_secret=settings.oidc_secret()) if given.oidc.issuer else None,
            reply_secret=settings.reply_secret(),
            twilio_token=settings.twilio_token(),
            reply_country=settings.replies.country,
            store_url=settings.resolved_store_url(),
            store_token=settings.store_token(),
            store_org=settings.store.org,
            quarantine_dir=settings.quarantine_dir,
            journal_dir=settings.journal_dir,
        ),
    )
    serve(app, given.host, given.port, stop)


_WITHOUT_DATABASE: dict[Role, Callable[[Settings, threading.Event], None]] = {
    Role.GATEWAY: _gateway,
    Role.WRITER: _writer,
}
_ROLES: dict[Role, Callable[[Settings, Engine, threading.Event], None]] = {
    Role.PROCESSOR: _processor,
    Role.ALERTS: _alerts,
    Role.CONSOLE: _console,
}

__all__ = ["owners_of", "prepare", "prepare_apart", "run_role"]
