"""The directory: whom a device belongs to, and who is on call."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select

import registry
from registry import models
from registry.errors import UnknownAreaError, UnsupportedDatabaseError
from tests.registry.folders import write_folder


@pytest.fixture
def known(registry_engine: Engine, tmp_path: Path) -> registry.Directory:
    """The directory of the example folder."""
    registry.import_folder(registry_engine, write_folder(tmp_path / "in"))
    return registry.directory(registry_engine)


def test_a_device_has_the_area_of_its_person(known: registry.Directory) -> None:
    """Its own where it has one, and the root for one that lies in a drawer."""
    areas = {name: device.area for name, device in known.devices.items()}
    assert areas == {"w-1": "lianhu.taoyuan.s1", "b-1": "lianhu.taoyuan.s1", "spare": "lianhu"}
    assert known.device("nobody's") is None


def test_an_area_without_an_order_has_that_of_the_nearest_parent(known: registry.Directory) -> None:
    """The street has no order, so the district desk is on call for it."""
    assert [entry.id for entry in known.on_call_for("lianhu.taoyuan", 0)] == ["r-desk"]
    assert [entry.id for entry in known.on_call_for("lianhu.taoyuan.s1", 0)] == ["r-li"]


def test_the_escalation_order_goes_up_the_tiers_and_names_each_once(known: registry.Directory) -> None:
    """Station, then district; the desk is the root area's order."""
    assert [entry.id for entry in known.escalation_order("lianhu.taoyuan.s1", 0)] == ["r-li", "r-desk"]
    assert [entry.id for entry in known.desk(0)] == ["r-desk"]
    assert known.root == "lianhu"


def test_an_unknown_area_is_an_error_that_names_it(known: registry.Directory) -> None:
    """Rather than an empty order, which would look like nobody on call."""
    with pytest.raises(UnknownAreaError, match=r"lianhu\.nowhere"):
        known.on_call_for("lianhu.nowhere", 0)


def test_an_empty_registry_has_an_empty_directory(registry_engine: Engine) -> None:
    """The system starts before anything is imported."""
    known = registry.directory(registry_engine)
    assert (known.root, known.desk(0), known.revision) == (None, [], 0)


def test_a_snapshot_cannot_be_changed(known: registry.Directory) -> None:
    """It is shared between threads."""
    with pytest.raises(TypeError):
        known.people["p-9"] = known.people["p-0001"]


def test_sqlite_refuses_what_leads_nowhere(tmp_path: Path) -> None:
    """Foreign keys are off in SQLite unless asked for."""
    engine = registry.create_engine(f"sqlite:///{tmp_path / 'deep' / 'er' / 'a.db'}")
    registry.upgrade(engine)
    with pytest.raises(Exception, match="FOREIGN KEY"), registry.writing(engine) as connection:
        connection.execute(insert(models.on_call).values(area="x", position=1, responder="y"))
    engine.dispose()


def test_writers_wait_for_each_other_instead_of_failing(registry_engine: Engine) -> None:
    """Read, then write, from many threads at once: on SQLite a deferred transaction would fail with "locked"."""
    failures: list[BaseException] = []

    def add(first: int) -> None:
        try:
            for i in range(first, first + 10):
                with registry.writing(registry_engine) as connection:
                    connection.execute(select(models.area)).all()
                    connection.execute(insert(models.area).values(path=f"a{i}", name="A"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=add, args=(100 * n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with registry_engine.connect() as connection:
        assert len(connection.execute(select(models.area)).all()) == 60


def test_another_database_is_refused_by_name() -> None:
    """With what to use instead."""
    with pytest.raises(UnsupportedDatabaseError, match="use sqlite"):
        registry.create_engine("mysql+pymysql://localhost/x")
