"""The suite's options, its parameters (venue and market), and the table at its end.

    --venue NAME             only this one (several: repeat it)
    --full                   the long tests too (`make conformance`)
    --conformance-json PATH  the table as JSON"""
from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator

import pytest

from tests.conformance.case import VenueCase, case_names, load_case
from tests.conformance.layers import Missing
from tests.conformance.summary import PROPERTY, Summary
from tests.support.feed_system import Venues, make_run_dir

HERE = pathlib.Path(__file__).parent
ITEM = re.compile(r"test_(\d+)_")
LONG_TIMEOUT_S = 600  # of one long test, on a machine that does other things too; pyproject.toml has the limit of all others


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--venue", action="append", default=[], help="only this venue")
    group.addoption("--full", action="store_true", help="long tests too")
    group.addoption("--conformance-json", default="", help="write the table there")


def option(config: pytest.Config, name: str, default: object) -> object:
    """In a run that began above this folder the options do not exist: pytest reads them before it finds this file."""
    return config.getoption(name, default=default)


def wanted(config: pytest.Config) -> list[str]:
    """Names of the venues of this run."""
    known, named = case_names(), list(option(config, "--venue", []))  # type: ignore[call-overload]
    for name in named:
        if name not in known:
            raise pytest.UsageError(
                f"--venue {name}: there is no tests/conformance/venues/{name}.py; known are {', '.join(known)}")
    return named or known


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" not in metafunc.fixturenames:
        return
    cases = [load_case(name) for name in wanted(metafunc.config)]
    if "market" in metafunc.fixturenames:
        pairs = [(case, market) for case in cases for market in case.markets]
        metafunc.parametrize(("case", "market"), pairs, ids=[f"{case.name}-{market}" for case, market in pairs], scope="module")
    else:
        metafunc.parametrize("case", cases, ids=[case.name for case in cases], scope="module")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Names the cell of each test; leaves the long ones out of a short run."""
    left_out = []
    for test in items:
        if HERE not in test.path.parents:
            continue
        found = ITEM.match(test.path.name)
        params = test.callspec.params if isinstance(test, pytest.Function) and hasattr(test, "callspec") else {}
        case: VenueCase | None = params.get("case")
        if found and case is not None:
            markets = [params["market"]] if "market" in params else list(case.markets)
            test.user_properties += [(PROPERTY, [case.name, market, found.group(1)]) for market in markets]
        if test.get_closest_marker("conformance_full"):
            test.add_marker(pytest.mark.timeout(LONG_TIMEOUT_S))
            if not option(config, "--full", False):
                left_out.append(test)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [test for test in items if test not in left_out]


@pytest.fixture(scope="session")
def simex(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venues]:
    """One process with every venue of this run that can be simulated, two accounts each: main, other. Books live, so that what a
    test takes from them comes back."""
    from tools.simex import registry
    names = [name for name in wanted(request.config) if name in registry.known()]
    if not names:
        raise Missing(f"missing: tools/simex/{wanted(request.config)[0]}.py")
    funds = {"spot": {"USDT": "200000", "BTC": "50", "ETH": "500"}, "linear": {"USDT": "200000"}}
    accounts = [{"name": name, **funds} for name in ("main", "other")]
    options = {"venues": names, "pairs": 3, "background_msgs_per_s": 60.0 * len(names), "enforce_limits": False,
               "accounts": accounts}
    run_dir = make_run_dir(tmp_path_factory.mktemp("simex"), simex=options)
    with Venues(run_dir) as venues:
        venues.command("quiet", dislocations=False, traffic=True)
        yield venues


class Table:
    """Collects the reports; prints and writes the table at the end. On xdist's controller, or where there are no workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.summary = Summary(wanted(config))
        self.path = str(option(config, "--conformance-json", ""))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.summary.take(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.summary.words:
            return
        terminalreporter.section("conformance")
        for line in self.summary.lines():
            terminalreporter.write_line(line)
        if self.path:
            self.summary.write(pathlib.Path(self.path))
            terminalreporter.write_line(f"written to {self.path}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and config.getoption("--conformance-json", default=None) is not None:
        config.pluginmanager.register(Table(config), "conformance-table")
