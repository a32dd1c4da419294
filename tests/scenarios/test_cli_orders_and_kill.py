"""`horizon orders` and `horizon kill`, as their users run them, on a simulated gateway of its own process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from horizon.cli.app import app
from horizon.clock import to_datetime
from horizon.errors import HorizonError
from horizon.model import AccountId, ClientOrderId
from horizon.orders.claim import journal_path
from horizon.orders.journal import SqliteJournal
from horizon.orders.journal_words import line
from horizon.ports import JournalRecord, RecordKind

HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
Horizon = Callable[..., "subprocess.CompletedProcess[str]"]

QUIET = """
from horizon import Context, Quote, Strategy


class Quiet(Strategy):
    markets = {"spy": "SPY"}
    told = False

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if not self.told:
            self.told = True
            ctx.log("quotes arrive")

    def on_order(self, ctx, order) -> None:
        ctx.log(f"heard {order.request.size} {order.status}")
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folders = {"XDG_STATE_HOME": tmp_path / "state", "XDG_CONFIG_HOME": tmp_path / "config"}
    return {**os.environ, **{name: str(path) for name, path in folders.items()}, "TZ": "UTC"}


@pytest.fixture
def horizon(environment: dict[str, str]) -> Horizon:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*HORIZON, *arguments], capture_output=True, text=True, timeout=50, check=False, env=environment
        )

    return run


@pytest.fixture
def gateway(environment: dict[str, str]) -> Iterator[dict[str, Any]]:
    with subprocess.Popen(
        [*HORIZON, "sim", "ibkr", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.kill()


@pytest.fixture
def place(gateway: dict[str, Any]) -> list[str]:
    """The options that say where."""
    return [
        "--api-url",
        gateway["base_url"],
        "--certificate",
        gateway["certificate"],
        "--account",
        gateway["accounts"][0],
    ]


@pytest.mark.slow
def test_an_order_is_sent_and_journaled_without_a_program_that_trades(
    horizon: Horizon, gateway: dict[str, Any], place: list[str]
) -> None:
    account = gateway["accounts"][0]
    sent = horizon("orders", "buy", "SPY", "2", "--tif", "OPG", *place, "--json")
    assert sent.returncode == 0, sent.stderr
    (order,) = json.loads(sent.stdout)["orders"]
    assert order["status"] == "WORKING"
    log = horizon("orders", "log", "--account", account)
    kinds = [text.split()[2] for text in log.stdout.splitlines()]
    assert {"owner", "intent", "acknowledgement"} <= set(kinds)


@pytest.mark.slow
def test_an_account_is_compared_with_the_venue_without_a_program_that_trades(
    horizon: Horizon, gateway: dict[str, Any], place: list[str]
) -> None:
    compared = horizon("reconcile", "--accept", "a transfer", *place)
    assert compared.returncode == 0, compared.stderr
    assert compared.stdout.splitlines()[-1] == "nothing differs"
    log = horizon("orders", "log", "--account", gateway["accounts"][0], "--kind", "decision")
    assert "positions agreed: a transfer" in log.stdout


@pytest.mark.slow
def test_a_program_that_trades_is_asked_and_stopped_and_a_killed_one_is_done_without(
    horizon: Horizon, place: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "quiet.py").write_text(QUIET)
    with subprocess.Popen(
        [*HORIZON, "run", str(tmp_path / "quiet.py"), *place], env=environment, stderr=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stderr is not None
        while "quotes arrive" not in owner.stderr.readline():
            assert owner.poll() is None
        bought = horizon("orders", "buy", "SPY", "1", "--tif", "OPG", *place)
        assert bought.returncode == 0, bought.stderr
        assert f"asked process {owner.pid}" in bought.stderr
        assert "WORKING" in bought.stdout
        killed = horizon("kill", "--reason", "enough", *place)
        assert killed.returncode == 0, killed.stderr
        assert f"process {owner.pid}, which trades" in killed.stdout
        assert "CANCELED" in killed.stdout
        owner.kill()
    again = horizon("kill", *place)
    assert (again.returncode, "no orders of ours to cancel" in again.stdout) == (0, True), again.stderr


def test_the_switch_is_pulled_even_where_nothing_can_be_reached(
    horizon: Horizon, environment: dict[str, str], tmp_path: Path
) -> None:
    done = horizon("kill", "--account", "DU1", "--api-url", "https://localhost:9/v1/api")
    assert done.returncode == 1
    assert "the kill switch of DU1 is pulled (horizon kill)" in done.stdout
    assert "nothing new leaves, but orders at the venue were not cancelled" in done.stderr
    assert (tmp_path / "state" / "horizon" / "kill" / "ibkr-DU1").exists()


# -- the log -----------------------------------------------------------------------------------------------------------


def written(path: Path, *records: JournalRecord) -> None:
    journal = SqliteJournal(path)
    journal.commit(records)
    journal.close()


def record(kind: RecordKind, payload: bytes = b"{}", time: int = 1_700_000_000_000_000_000) -> JournalRecord:
    return JournalRecord(
        time=time,
        exchange="ibkr",
        account_id=AccountId("DU1"),
        kind=kind,
        client_order_id=ClientOrderId("h1-1"),
        subject="max_size",
        payload=payload,
    )


REQUEST = b'{"market_id":"756733","order_side":"BUY","size":"2","price":"99.50","exchange":"ibkr"}'


@pytest.mark.parametrize(
    ("kind", "payload", "words"),
    [
        (RecordKind.INTENT, REQUEST, "to be sent: BUY 2 of ibkr:756733:LONG, LMT at 99.5, DAY"),
        (RecordKind.REPLACE_INTENT, REQUEST, "to be changed into: BUY 2 of"),
        (RecordKind.CANCEL_INTENT, b"{}", "a cancel is to be sent"),
        (
            RecordKind.REFUSED,
            b'{"request":' + REQUEST + b',"reason":"above 1"}',
            "refused by max_size: above 1 (BUY 2 of",
        ),
        (RecordKind.REPORT, b'{"no":"report"}', '{"no":"report"}'),
        (RecordKind.DECISION, b'{"reason":"absent"}', "max_size: absent"),
        (RecordKind.LINK, REQUEST, "takes the place of max_size, which is dead: BUY 2 of"),
        (RecordKind.SETTLED, b"{}", "nothing more is expected"),
        (RecordKind.STATE, b'{"revision":3,"state":{"access_token":"abcdefgh12345"}}', "[redacted]"),
    ],
)
def test_a_line_says_what_happened_in_words_and_no_secrets(kind: RecordKind, payload: bytes, words: str) -> None:
    text = line(record(kind, payload))
    assert words in text
    assert kind.value in text
    assert "abcdefgh" not in text


Log = Callable[..., str]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Log:
    """What `horizon orders log` prints, or the sentence that it ends with."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments: str) -> str:
        try:
            app(["orders", "log", *arguments], standalone_mode=False)
        except HorizonError as error:
            return str(error)
        return capsys.readouterr().out

    return run


def test_the_log_of_the_only_account_needs_no_name_and_that_of_two_does(log: Log) -> None:
    assert "there is no journal yet" in log()
    written(journal_path("ibkr", "DU1"), record(RecordKind.CANCEL_INTENT))
    assert "a cancel is to be sent" in log()
    written(journal_path("ibkr", "DU2"), record(RecordKind.CANCEL_INTENT))
    assert "several accounts (DU1, DU2): say which with --account" in log()
    assert "a cancel is to be sent" in log("--account", "DU2")


def test_the_log_can_be_limited_by_time_kind_and_order(log: Log) -> None:
    old, new = 1_600_000_000_000_000_000, 1_700_000_000_000_000_000
    written(
        journal_path("ibkr", "DU1"),
        record(RecordKind.CANCEL_INTENT, time=old),
        record(RecordKind.INTENT, REQUEST, time=new),
    )
    since = to_datetime(new).isoformat()
    assert [text.split()[2] for text in log("--since", since).splitlines()] == ["intent"]
    assert [text.split()[2] for text in log("--kind", "cancel_intent").splitlines()] == ["cancel_intent"]
    assert len(log("--order", "h1-1").splitlines()) == 2
    assert log("--order", "h1-2") == ""
    assert "expected --since as" in log("--since", "yesterday")


def test_the_log_for_programs_is_an_object_a_line(log: Log) -> None:
    written(journal_path("ibkr", "DU1"), record(RecordKind.INTENT, REQUEST))
    said = json.loads(log("--json"))
    assert (said["kind"], said["account_id"], said["payload"]["size"]) == ("intent", "DU1", "2")


def test_the_log_is_followed_until_it_is_interrupted(environment: dict[str, str], log: Horizon, tmp_path: Path) -> None:
    path = tmp_path / "own.sqlite"
    written(path, record(RecordKind.CANCEL_INTENT))
    with subprocess.Popen(
        [*HORIZON, "orders", "log", "--journal", str(path), "--follow"],
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert "a cancel is to be sent" in following.stdout.readline()
        written(path, record(RecordKind.INTENT, REQUEST))
        assert "to be sent: BUY 2" in following.stdout.readline()
        following.kill()
