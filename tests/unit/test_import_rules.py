"""The import rules of pyproject.toml catch what they are for, and name every module there is."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("horizon", "exchanges", "feeds")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]

ROOMS = """
    horizon.errors horizon.clock horizon.model.orders horizon.ports horizon.net.http horizon.net.websocket
    horizon.recording.reader horizon.simulation.faults horizon.observe.logs horizon.guards.size horizon.accounting.cash
    horizon.matching.book horizon.orders.desk horizon.orders.lifecycle horizon.orders.service horizon.exchange
    horizon.strategy horizon.strategies.pairs horizon.hedging.two_state horizon.engine.core horizon.engine.live
    horizon.engine.replay horizon.portfolio.totals horizon.backtest.run horizon.blocking horizon.mcp.tools
    horizon.dashboard.page horizon.cli.demo
    exchanges.ibkr.exchange exchanges.ibkr.forecastex exchanges.ibkr.markets exchanges.ibkr.orders
    exchanges.ibkr.account exchanges.ibkr.market_data exchanges.ibkr.stream exchanges.ibkr.confirmations
    exchanges.ibkr.session exchanges.ibkr.client exchanges.ibkr.mapping.orders exchanges.ibkr.auth.bearer
    exchanges.ibkr.rates exchanges.ibkr.wire.orders exchanges.ibkr.profile exchanges.ibkr.simulator.app
    exchanges.kalshi.exchange
    feeds.ibkr_polling feeds.synthetic
"""

ALLOWED = [
    ("horizon.cli.demo", "exchanges.ibkr.simulator.app"),
    ("horizon.net.http", "httpx"),
    ("horizon.net.websocket", "aiohttp"),
    ("exchanges.ibkr.exchange", "horizon.exchange"),
    ("exchanges.ibkr.client", "horizon.net.http"),
    ("exchanges.ibkr.client", "exchanges.ibkr.mapping.orders"),
    ("exchanges.ibkr.market_data", "exchanges.ibkr.client"),
    ("exchanges.ibkr.simulator.app", "horizon.matching.book"),
    ("feeds.ibkr_polling", "exchanges.ibkr.market_data"),
    ("horizon.engine.core", "horizon.orders.desk"),
    ("horizon.engine.live", "asyncio"),
    ("horizon", "exchanges"),
]

PLANTED = [
    ("layers", "horizon.model.orders", "horizon.ports"),
    ("layers", "horizon.orders.desk", "horizon.engine.core"),
    ("layers", "horizon.engine.live", "exchanges.ibkr.exchange"),
    ("layers", "horizon.guards.size", "horizon.accounting.cash"),
    ("layers", "horizon.hedging.two_state", "horizon.engine.core"),
    ("layers", "exchanges.ibkr.exchange", "feeds.synthetic"),
    ("exchanges", "exchanges.ibkr.exchange", "horizon.engine.core"),
    ("exchanges", "exchanges.ibkr.markets", "horizon.recording.reader"),
    ("exchanges", "exchanges.ibkr.simulator.app", "horizon.strategy"),
    ("feeds", "feeds.synthetic", "horizon.engine.live"),
    ("feeds", "feeds.synthetic", "horizon.strategy"),
    ("feeds-schedule", "feeds.ibkr_polling", "horizon.net.http"),
    ("feeds-schedule", "feeds.ibkr_polling", "exchanges.ibkr.wire.orders"),
    ("feeds-schedule", "feeds.ibkr_polling", "exchanges.ibkr.client"),
    ("venues", "exchanges.kalshi.exchange", "exchanges.ibkr.profile"),
    ("independent-feeds", "feeds.ibkr_polling", "feeds.synthetic"),
    ("inside-a-venue", "exchanges.ibkr.client", "exchanges.ibkr.session"),
    ("inside-a-venue", "exchanges.ibkr.orders", "exchanges.ibkr.account"),
    ("inside-a-venue", "exchanges.ibkr.wire.orders", "exchanges.ibkr.mapping.orders"),
    ("inside-a-venue", "exchanges.ibkr.confirmations", "exchanges.ibkr.orders"),
    ("simulator-apart", "exchanges.ibkr.simulator.app", "exchanges.ibkr.rates"),
    ("simulator-apart", "exchanges.ibkr.simulator.app", "exchanges.ibkr.wire.orders"),
    ("simulator-apart", "exchanges.ibkr.simulator.app", "horizon.net.http"),
    ("simulator-apart", "exchanges.ibkr.simulator.app", "horizon.hedging.two_state"),
    ("simulator-started", "exchanges.ibkr.exchange", "exchanges.ibkr.simulator.app"),
    ("simulator-started", "horizon.engine.live", "exchanges.ibkr.simulator.app"),
    ("pure", "horizon.model.orders", "time"),
    ("pure", "horizon.engine.core", "asyncio"),
    ("pure", "horizon.engine.replay", "horizon.clock"),
    ("pure", "horizon.orders.desk", "sqlite3"),
    ("pure", "horizon.matching.book", "random"),
    ("pure", "horizon.strategy", "horizon.orders.service"),
    ("pure", "exchanges.ibkr.profile", "polars"),
    ("http-library", "exchanges.ibkr.client", "httpx"),
    ("http-library", "exchanges.ibkr.stream", "aiohttp"),
    ("http-library", "horizon.net.websocket", "httpx"),
    ("cycles", "horizon.orders.lifecycle", "horizon.orders.desk"),
]


def build(root: Path, imports: list[tuple[str, str]]) -> None:
    """An empty house with every room of the design, and these imports in it."""
    for name in ROOMS.split():
        path = root.joinpath(*name.split("."))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").touch()
    for package in PACKAGES:
        for folder in [root / package, *(path for path in (root / package).rglob("*") if path.is_dir())]:
            (folder / "__init__.py").touch()
    for importer, imported in imports:
        path = root.joinpath(*importer.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        with path.open("a", encoding="utf-8") as file:
            file.write(f"import {imported}\n")


def broken_contracts(root: Path, *only: str) -> set[str]:
    """The ids of the contracts that import-linter says are broken in this tree."""
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    chosen = [argument for contract in only for argument in ("--contract", contract)]
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", *chosen],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in run.stdout, run.stdout + run.stderr
    broken = {contract["id"] for contract in CONTRACTS if f"{contract['name']} BROKEN" in run.stdout}
    assert (run.returncode != 0) == bool(broken), run.stdout
    return broken


def test_what_the_design_allows_is_allowed(tmp_path: Path) -> None:
    build(tmp_path, ALLOWED)
    assert broken_contracts(tmp_path) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("contract", "importer", "imported"), PLANTED, ids=[f"{importer}-{imported}" for _, importer, imported in PLANTED]
)
def test_a_planted_violation_is_caught_by_its_rule(tmp_path: Path, contract: str, importer: str, imported: str) -> None:
    way_down = {
        "horizon.strategy": [("horizon.orders.service", "asyncio")],
        "horizon.orders.lifecycle": [("horizon.orders.desk", "horizon.orders.lifecycle")],
    }
    build(tmp_path, [(importer, imported), *way_down.get(importer, [])])
    assert contract in broken_contracts(tmp_path, contract)


def test_every_rule_has_a_planted_violation() -> None:
    assert {contract["id"] for contract in CONTRACTS} == {contract for contract, _, _ in PLANTED}


def test_every_module_of_horizon_has_a_layer() -> None:
    [layers] = [contract["layers"] for contract in CONTRACTS if contract["id"] == "layers"]
    named = {name.strip(" ()").removeprefix("horizon.") for layer in layers for name in layer.split("|")}
    built = {path.stem for path in (ROOT / "horizon").glob("[a-z]*") if path.suffix == ".py" or path.is_dir()}
    assert built <= named, f"give {sorted(built - named)} a place in the layers of pyproject.toml"


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    missing = sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists())
    assert not missing, f"the import rules do not see {missing}: add an __init__.py"
