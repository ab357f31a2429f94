"""Which process runs which tests: whole systems in lanes of their own, everything else beside them on what is left.

A whole system in real time mostly waits, and must not be late; the others compute, and may be. So processes that run
the others stand back, and no core is idle while a system waits.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
from pathlib import Path

import pytest
import threadpoolctl
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling
from xdist.workermanage import WorkerController

#: So many processes run what is marked ``heavy``, as long as there is any.
LANES = 2
#: Folders whose files share what takes long to set up.
_TOGETHER = ("tests/dashboards/",)
_HEAVY = "mark.heavy"
_NICENESS = 5


def heavy_tests(root: Path) -> frozenset[str]:
    """Names of the tests marked heavy, read from their source: whoever shares out the tests loads none of them."""
    found = set()
    for path in (root / "tests").rglob("test_*.py"):
        if _HEAVY not in (text := path.read_text(encoding="utf-8")):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and any(_HEAVY in ast.unparse(one) for one in node.decorator_list):
                found.add(f"{path.relative_to(root).as_posix()}::{node.name}")
    return frozenset(found)


class Lanes(LoadScopeScheduling):
    """The tests of a file stay together, so that a server started for it is started once; a heavy one is by itself.

    What comes first in the collection begins first.
    """

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        config.option.loadscopereorder = False  # xdist would begin with the files of the most tests
        super().__init__(config, log)
        self._heavy = heavy_tests(config.rootpath)

    def _split_scope(self, nodeid: str) -> str:
        test = nodeid.partition("[")[0]
        if test in self._heavy:
            return test
        return next((folder for folder in _TOGETHER if test.startswith(folder)), test.partition("::")[0])

    def _assign_work_unit(self, node: WorkerController) -> None:
        in_a_lane = node in [one for one in self.nodes if not one.shutting_down][:LANES]
        mine = next((unit for unit in self.workqueue if (unit in self._heavy) == in_a_lane), None)
        if mine is not None:
            self.workqueue.move_to_end(mine, last=False)
        elif not in_a_lane:  # heavy ones are left, for the lanes
            node.shutdown()
            return
        super()._assign_work_unit(node)


class OneOfMany:
    """What a process does for the others."""

    def __init__(self) -> None:
        self._stands_back = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Compile its share of the tests, which is most of what collecting them costs in a new checkout."""
        if session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
            return
        root, number = session.config.rootpath, int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        modules = sorted((root / "tests").rglob("test_*.py"))
        for path in modules[number :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
            with contextlib.suppress(Exception, pytest.skip.Exception):  # whoever collects it tells
                importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))

    def pytest_collection_finish(self) -> None:
        """One thread for products of matrices, now that all libraries are loaded: there are processes enough."""
        threadpoolctl.threadpool_limits(1, user_api="blas")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """From its first test that is not heavy on, it and its children wait for whole systems."""
        if not self._stands_back and not item.get_closest_marker("heavy"):
            self._stands_back = True
            os.nice(_NICENESS)
