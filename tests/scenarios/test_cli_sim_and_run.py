"""`horizon sim ibkr` and `horizon run`, as their users run them."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from horizon.cli import run_command
from horizon.model import SessionState

HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
EXAMPLES = Path(__file__).parents[2] / "examples"


def horizon(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HORIZON, *arguments], capture_output=True, text=True, timeout=55, check=False, cwd=cwd)


@contextmanager
def simulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [*HORIZON, "sim", "ibkr", "--json", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def test_the_gateway_answers_once_its_line_is_printed_and_ends_on_ctrl_c() -> None:
    with simulator() as (process, said):
        assert set(said) == {"base_url", "ws_url", "accounts", "certificate", "fingerprint"}
        assert len(said["accounts"]) == 2
        trust = ssl.create_default_context(cafile=said["certificate"])
        with urllib.request.urlopen(f"{said['base_url']}/iserver/accounts", context=trust, timeout=10) as answer:
            assert json.load(answer)["accounts"] == said["accounts"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_plain_http_has_no_certificate() -> None:
    with simulator("--plain-http") as (_, said):
        assert said["base_url"].startswith("http://")
        assert said["certificate"] is None
        with urllib.request.urlopen(f"{said['base_url']}/tickle", timeout=10) as answer:
            assert json.load(answer)["session"]


def test_behind_gateway_has_the_real_ones_manners() -> None:
    with simulator("--behind-gateway") as (_, said):
        pinned = ssl.create_default_context(cafile=said["certificate"])
        with pytest.raises(URLError, match="certificate verify failed"):
            urllib.request.urlopen(f"{said['base_url']}/tickle", context=pinned, timeout=10)
        unchecked = ssl._create_unverified_context(cafile=said["certificate"])
        with urllib.request.urlopen(f"{said['base_url']}/tickle", context=unchecked, timeout=10) as answer:
            assert answer.headers["transfer-encoding"] == "chunked"
            assert "content-length" not in answer.headers
            assert json.load(answer)["session"]


def test_a_port_that_is_taken_is_one_sentence_and_exit_code_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = horizon("sim", "ibkr", "--port", str(port))
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_strategy_file_runs_in_fast_market_time() -> None:
    done = horizon(
        "run", str(EXAMPLES / "08_order_ladder.py"), "--embedded", "--fast", "--for", "900", "--interval", "5", "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["orders"] >= 5
    assert result["reason"] == "0:15:00 have passed"
    assert result["still_working"] == []


def test_ctrl_c_cancels_entry_orders_and_says_what_is_left(tmp_path: Path) -> None:
    strategy = tmp_path / "resting.py"
    strategy.write_text(
        "from horizon import Strategy\n"
        "class Resting(Strategy):\n"
        "    markets = {'spy': 'SPY'}\n"
        "    def on_quote(self, ctx, quote):\n"
        "        if not ctx.orders():\n"
        "            ctx.buy(ctx.market('spy'), 1, price=quote.bid - 5)\n"
        "    def on_order(self, ctx, order):\n"
        "        print(order.status, flush=True)\n"
    )
    process = subprocess.Popen(
        [*HORIZON, "run", str(strategy), "--embedded"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "WORKING" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    assert "Ctrl-C" in out
    assert "working" not in out


def test_what_a_strategy_raises_is_shown_with_its_traceback(tmp_path: Path) -> None:
    strategy = tmp_path / "broken.py"
    strategy.write_text(
        "from horizon import Strategy\n"
        "class Broken(Strategy):\n"
        "    markets = {'spy': 'SPY'}\n"
        "    def on_quote(self, ctx, quote):\n"
        "        undefined_name\n"
    )
    done = horizon("run", str(strategy), "--embedded", "--fast")
    assert done.returncode == 1
    assert "NameError" in done.stderr
    assert "broken.py" in done.stderr


def test_a_refusal_of_our_own_raised_in_a_callback_names_the_strategys_line(tmp_path: Path) -> None:
    strategy = tmp_path / "mistaken.py"
    strategy.write_text(
        "from horizon import Strategy\n"
        "class Mistaken(Strategy):\n"
        "    markets = {'spy': 'SPY'}\n"
        "    def on_quote(self, ctx, quote):\n"
        "        ctx.buy(ctx.market('spx'), 1)\n"
    )
    done = horizon("run", str(strategy), "--embedded", "--fast")
    assert done.returncode == 1
    assert "mistaken.py" in done.stderr
    assert "expected one of the strategy's markets (spy), found 'spx'" in done.stderr


GREEDY = """
from horizon import Strategy
class Greedy(Strategy):
    markets = {"spy": "SPY"}
    def on_start(self, ctx):
        ctx.log("started")
    def on_quote(self, ctx, quote):
        ctx.buy(ctx.market("spy"), 50_000, price=quote.ask)
"""


def test_lines_of_a_strategy_are_shown_at_once(tmp_path: Path) -> None:
    strategy = tmp_path / "greedy.py"
    strategy.write_text(GREEDY)
    process = subprocess.Popen(
        [*HORIZON, "run", str(strategy), "--embedded"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=50)
    assert process.returncode == 0, err
    assert "started" not in err


def test_rejections_are_counted_and_the_last_one_is_told(tmp_path: Path) -> None:
    strategy = tmp_path / "greedy.py"
    strategy.write_text(GREEDY)
    done = horizon("run", str(strategy), "--embedded", "--fast", "--for", "10")
    assert done.returncode == 0, done.stderr
    assert "orders     0 sent" in done.stdout
    assert re.search(r"^rejected   [1-9]\d*, the last one: max_size: .*50000", done.stdout, re.MULTILINE), done.stdout


def test_a_lost_session_and_its_return_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show = run_command._show_news()
    for ready, reason in ((True, ""), (False, "nobody is signed in: sign in"), (True, ""), (True, "")):
        show(SessionState(exchange="ibkr", time=0, ready=ready, reason=reason))
    assert capsys.readouterr().err.splitlines() == [
        "warning: ibkr can't take orders: nobody is signed in: sign in",
        "info: ibkr takes orders again",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nothing.py"], "found nothing at nothing.py"),
        (["run", "empty.py"], "found none"),
        (["run", "two.py"], "One, Two"),
        (["run", "two.py", "--class", "Three"], "no strategy 'Three'"),
        (["run", "two.py", "--class", "One", "--fast"], "--embedded"),
        (["run", "two.py", "--class", "One", "--api-url", "https://127.0.0.1:9/v1/api"], "no gateway answers"),
        (["run", "two.py", "--class", "One", "--api-url", "https://api.example.com/v1/api"], "IBKR_ACCESS_TOKEN"),
        (["run", "two.py", "--class", "One", "--embedded", "--account", "DU9"], "DU1234567, DU7654321"),
        (["run", "two.py", "--class", "Two", "--embedded"], "NOSUCH"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "two.py").write_text(
        "from horizon import Strategy\n"
        "class One(Strategy):\n    markets = {'spy': 'SPY'}\n"
        "class Two(Strategy):\n    markets = {'x': 'NOSUCH'}\n"
    )
    done = horizon(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--debug", "run", "nothing.py"], ["run", "nothing.py", "--debug"]])
def test_the_traceback_is_shown_with_debug_wherever_it_stands(arguments: list[str]) -> None:
    done = horizon(*arguments)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "found nothing at nothing.py" in done.stderr


def test_the_version_is_told_without_a_command() -> None:
    done = horizon("--version")
    assert (done.returncode, done.stdout.strip()) == (0, version("horizon-trading"))
