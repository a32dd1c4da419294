"""`horizon demo`, as its user runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from horizon.cli.demo.scenario import make_strategy, verdict
from horizon.recording.reader import RecordingReader

HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
SPY_BARS = Path(__file__).parents[3] / "shared/data/recordings/equities_2025-05_1m/SPY_1m.csv"
KEYS = {
    "orders",
    "fills",
    "prompts_answered",
    "fees",
    "positions",
    "pnl_unhedged",
    "pnl_hedged",
    "max_hedge_error",
    "recording",
    "replay_matches",
    "seconds",
}

pytestmark = pytest.mark.timeout(180)


def demo(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HORIZON, "demo", "--out", str(out), *options], capture_output=True, text=True, timeout=170, check=False
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = demo(tmp_path_factory.mktemp("first"), "--json", "--seed", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    outcome: dict[str, Any] = json.loads(lines[0])
    return outcome


@pytest.mark.slow
def test_one_json_object_with_every_promised_figure(first: dict[str, Any]) -> None:
    assert set(first) >= KEYS
    assert first["orders"] > 5
    assert first["fills"] >= first["orders"] // 2
    assert first["prompts_answered"] > 0
    assert first["fees"] > 0
    assert first["positions"]["SPXC"] == 1000
    assert first["positions_agree"] is True


@pytest.mark.slow
def test_the_hedge_removes_most_of_the_variance(first: dict[str, Any]) -> None:
    assert first["variance_removed"] > 0.8


@pytest.mark.slow
def test_the_picture_is_a_picture(first: dict[str, Any]) -> None:
    assert Path(first["picture"]).read_bytes().startswith(b"\x89PNG\r\n")


@pytest.mark.slow
def test_the_replay_sends_the_same_orders_and_a_changed_strategy_does_not(first: dict[str, Any]) -> None:
    assert first["replay_matches"] is True
    recording = Path(first["recording"])
    markets = {market.symbol: market for market in RecordingReader(recording).markets() if market.side != "NO"}
    unchanged = make_strategy(markets["SPXC"], markets["SPY"], 1000, 0.3698)
    changed = make_strategy(markets["SPXC"], markets["SPY"], 999, 0.3698)
    assert verdict(recording, unchanged).recorded == first["orders"]
    difference = verdict(recording, changed)
    assert difference.matches is False
    assert "size was 1000, is 999" in difference.first_difference


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run(first: dict[str, Any], tmp_path: Path) -> None:
    again = json.loads(demo(tmp_path, "--json", "--seed", "3").stdout)
    places = {"recording", "picture", "seconds"}
    assert {key: value for key, value in again.items() if key not in places} == {
        key: value for key, value in first.items() if key not in places
    }


@pytest.mark.slow
@pytest.mark.skipif(not SPY_BARS.exists(), reason="the recorded market data is not beside this checkout")
def test_real_recorded_prices_are_followed(tmp_path: Path) -> None:
    some = tmp_path / "spy.csv"
    some.write_text("".join(SPY_BARS.read_text().splitlines(keepends=True)[:200]))
    outcome = json.loads(demo(tmp_path, "--json", "--bars", str(some)).stdout)
    assert outcome["replay_matches"] is True
    assert outcome["positions_agree"] is True


@pytest.mark.slow
def test_a_person_gets_tables_and_the_path_of_the_picture(tmp_path: Path) -> None:
    bars = tmp_path / "bars.csv"
    rows = [
        f"2024-03-04 {10 + m // 60:02}:{m % 60:02}:00-05:00,500,500.{m % 9 + 1},499.8,500.{m % 7},1000"
        for m in range(90)
    ]
    bars.write_text("\n".join(["Datetime,Open,High,Low,Close,Volume", *rows]) + "\n")
    done = demo(tmp_path, "--bars", str(bars))
    assert done.returncode == 0, done.stderr
    for words in ("Held, as the gateway says", "P&L, hedged", "prompt o10151", "the same", "pnl.png"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("Datetime,Open,High,Low\n2024-03-04 10:00:00-05:00,1,1,1\n", "Close"),
        ("Datetime,Open,High,Low,Close,Volume\n2024-03-04 10:00:00-05:00,1,x,1,1,1\n", "row 2"),
        (
            "Datetime,Open,High,Low,Close,Volume\n2024-03-04 10:01:00-05:00,1,1,1,1,1\n"
            "2024-03-04 10:00:00-05:00,1,1,1,1,1\n",
            "row 3",
        ),
    ],
)
def test_a_bars_file_with_a_fault_is_one_sentence_and_exit_code_2(tmp_path: Path, text: str, words: str) -> None:
    bars = tmp_path / "bars.csv"
    bars.write_text(text)
    done = demo(tmp_path, "--bars", str(bars), "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert "bars.csv" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
