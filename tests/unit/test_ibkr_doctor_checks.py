"""What single checks of the doctor say, and what a look says of odd answers."""

import datetime
import json
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from exchanges.ibkr.certificate_look import CertificateLook, Trusted
from exchanges.ibkr.doctor.check import Check, Result
from exchanges.ibkr.doctor.gateway import certificate_check
from exchanges.ibkr.doctor.machine import limits_file, machine_checks
from exchanges.ibkr.doctor.market_data import data_checks
from exchanges.ibkr.doctor.session import clock_check, reset_check, session_checks
from exchanges.ibkr.rates import rates_file
from exchanges.ibkr.session_look import look
from horizon.cli.ibkr.status_table import age_text
from horizon.cli.ibkr.status_view import StatusView, as_json
from horizon.clock import NANOSECONDS, to_nanoseconds

NOW = 1_700_000_000 * NANOSECONDS
UP = {"authenticated": True, "established": True, "competing": False, "connected": True, "message": ""}
ACCOUNTS = {"accounts": ["DU1", "All"], "isPaper": True, "selectedAccount": "DU1"}
PLANTED = "planted-bearer-0123456789abcdef"
SNAPSHOT = "GET /iserver/marketdata/snapshot"


def by_name(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks}


async def data(host: Any) -> dict[str, Check]:
    return by_name([check async for check in data_checks(host.client, host.clock)])


# -- market data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "result", "said"),
    [
        ("RpB", Result.OK, "real-time"),
        ("ZB", Result.OK, "frozen: the last real-time prices of a market that is closed"),
        ("DPB", Result.WARNING, "delayed by 15 to 20 minutes"),
        ("Y", Result.WARNING, "frozen and delayed: the last delayed prices of a market that is closed"),
        ("N", Result.WARNING, "not subscribed"),
        ("O", Result.FAILED, "the yearly market-data agreement of this user is not acknowledged"),
        ("S", Result.WARNING, "IBKR does not say how fresh it is (code 'S')"),
    ],
)
async def test_market_data_is_told_in_words(host: Any, code: str, result: Result, said: str) -> None:
    host.on(SNAPSHOT, [{"conid": 756733}], [{"conid": 756733, "84": "600.00", "6509": code}])
    host.on("GET /forecast/category/tree", {"categories": {}})
    checks = await data(host)
    assert (checks["market data SPY"].result, checks["market data SPY"].found) == (result, said)
    assert bool(checks["market data SPY"].action) == (result is not Result.OK)
    assert checks["market data ForecastEx"].found == "no event contract is listed"


async def test_the_first_event_contract_that_is_listed_is_looked_at(host: Any) -> None:
    host.on(SNAPSHOT, [{"conid": 1, "6509": "RB"}])
    markets = [{"conid": 7.0, "is_restricted": True}, {"conid": 8.0, "symbol": "FF"}]
    host.on("GET /forecast/category/tree", {"categories": {"a": {"name": "x"}, "b": {"markets": markets}}})
    host.on("GET /forecast/contract/market", {"contracts": [{"conid": 849139254.0}]})
    checks = await data(host)
    assert checks["market data ForecastEx"].found == "real-time, and nobody bids or offers now"
    assert host.seen("GET /forecast/contract/market")[0].params == {"underlyingConid": "8"}
    assert host.seen(SNAPSHOT)[-1].params["conids"] == "849139254"


async def test_a_venue_without_event_contracts_and_a_snapshot_that_fails(host: Any) -> None:
    host.on(SNAPSHOT, httpx.Response(503, content=b"{}"))
    host.on("GET /forecast/category/tree", httpx.Response(404, content=b"<html>"))
    checks = await data(host)
    assert checks["market data SPY"].result is Result.WARNING
    assert "503" in f"{checks['market data SPY'].found} {checks['market data SPY'].action}"
    assert checks["market data ForecastEx"].result is Result.SKIPPED


# -- clock, certificate, machine ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "signs", "result", "said"),
    [
        (0, True, Result.OK, "within 1 s of the venue's"),
        (-20, True, Result.OK, "within 20 s of the venue's"),
        (90, False, Result.WARNING, "90 s ahead of the venue's"),
        (-90, True, Result.FAILED, "90 s behind the venue's"),
    ],
)
def test_a_clock_that_is_wrong_is_told_with_its_skew(ahead: int, signs: bool, result: Result, said: str) -> None:
    headers = {"date": formatdate(NOW // NANOSECONDS - ahead, usegmt=True)}
    check = clock_check(headers, NOW, signs=signs)
    assert (check.result, check.found) == (result, said)
    assert clock_check({}, NOW, signs=signs).result is Result.SKIPPED


def certificate(trusted: Trusted, host: str = "localhost", days: int = 1000, *, stock: bool = False) -> Check:
    ends = datetime.datetime.fromtimestamp(NOW // NANOSECONDS, datetime.UTC) + datetime.timedelta(days=days)
    found = CertificateLook(
        host=host, port=5000, trusted=trusted, fingerprint="AB:CD", is_stock=stock, expires=ends, pinned="12:34"
    )
    return certificate_check(found, NOW, accept_stock_certificate=False)


def test_certificates_by_how_they_are_trusted() -> None:
    assert certificate(Trusted.PINNED, days=-1).result is Result.OK
    assert certificate(Trusted.FIRST_USE).found == "AB:CD (the first request pins it)"
    assert certificate(Trusted.VERIFIED, days=5).found == "AB:CD ends in 5 days"
    assert certificate(Trusted.VERIFIED, days=50).result is Result.OK
    assert "the one that IBKR ships: good enough" in certificate(Trusted.PINNED, stock=True).found
    elsewhere = certificate(Trusted.PINNED, "gateway.example", stock=True)
    assert (elsewhere.result, "private key is public" in elsewhere.found) == (Result.FAILED, True)
    changed = certificate(Trusted.CHANGED)
    assert "not the pinned 12:34, and nothing is sent there" in changed.found
    assert "horizon ibkr trust https://localhost:5000" in changed.action
    assert certificate(Trusted.UNVERIFIED, "gateway.example").result is Result.FAILED
    assert certificate(Trusted.PLAIN).result is Result.WARNING


def test_the_machine_is_looked_at_without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "not" / "there"))
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "taken"))
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=10**6))
    checks = by_name(machine_checks())
    assert checks["python"].result is checks["packages"].result is Result.OK
    assert checks["configuration folder"].result is Result.OK
    assert not (tmp_path / "not").exists()
    assert (checks["state folder"].result, checks["state folder"].found) == (
        Result.FAILED,
        f"{tmp_path / 'taken'} is no folder",
    )
    assert checks["disk"].result is Result.FAILED


def test_a_damaged_file_of_limits_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    url = "https://localhost:5000"
    assert limits_file(url).result is Result.OK
    file = rates_file(url)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no file of ours")
    assert limits_file(url).result is Result.WARNING
    assert str(file) in limits_file(url).found


# -- looking at a session ----------------------------------------------------------------------------------------------


async def test_a_reset_is_named_and_does_not_hide_what_was_found(host: Any) -> None:
    inside = to_nanoseconds(datetime.datetime(2023, 11, 15, 5, 30, tzinfo=datetime.UTC))
    await host.clock.sleep((inside - host.clock.now()) / NANOSECONDS)
    host.on("POST /iserver/auth/status", httpx.Response(503, content=b'{"error": "Service Unavailable"}'))
    seen = await look(host.client, host.clock)
    assert "503" in seen.status.state.reason
    check = reset_check(seen)
    assert (check.result, check.found.startswith("the nightly server reset, until Wed ")) == (Result.WARNING, True)
    login = by_name(session_checks(seen))["login"]
    assert "503" in login.found
    assert "look again in some minutes" in login.action


async def test_outside_of_resets_the_next_one_is_told(host: Any) -> None:
    host.on("POST /iserver/auth/status", UP).on("POST /tickle", {"ssoExpires": 600000})
    host.on("GET /iserver/accounts", ACCOUNTS)
    seen = await look(host.client, host.clock)
    assert (seen.status.state.ready, seen.sso_expires_in) == (True, 600.0)
    assert [account.account_id for account in seen.status.accounts] == ["DU1"]
    assert reset_check(seen).found.startswith("none now; next the daily end of every sign-in at Wed ")


async def test_signs_of_live_and_paper_that_disagree_are_told(host: Any) -> None:
    host.on("POST /iserver/auth/status", UP).on("POST /tickle", {})
    host.on("GET /iserver/accounts", {"accounts": ["U1234567"], "isPaper": True})
    seen = await look(host.client, host.clock)
    assert not seen.status.state.ready
    assert "isPaper true says paper, account id U1234567 says live" in seen.status.state.reason


async def test_a_login_without_event_contracts_is_warned_of(host: Any) -> None:
    features = {"allowEventTrading": False, "allowEventContract": False, "allowedAssetTypes": "STK,OPT"}
    host.on("POST /iserver/auth/status", UP).on("POST /tickle", {})
    host.on("GET /iserver/accounts", ACCOUNTS | {"allowFeatures": features})
    check = by_name(session_checks(await look(host.client, host.clock)))["trading"]
    assert check.result is Result.WARNING
    assert check.found == "listed for this login: stocks, options; no order was tried"


@pytest.mark.parametrize("status", [200, 401, 403, 500])
async def test_what_a_venue_echoes_is_not_shown(host: Any, status: int) -> None:
    echo = {"error": f"Bearer {PLANTED} is not known", "session": PLANTED, "USER_NAME": "planteduser77"}
    host.on("POST /iserver/auth/status", httpx.Response(status, content=json.dumps(echo).encode()))
    seen = await look(host.client, host.clock)
    told = json.dumps(as_json(StatusView(profile=None, look=seen, certificate=None, certificate_problem="")))
    told += repr(seen) + repr(list(session_checks(seen)))
    assert PLANTED not in told
    assert "planteduser77" not in told


def test_ages_are_short() -> None:
    assert [age_text(seconds) for seconds in (-1, 0, 119, 120, 7199, 7200, 172_800)] == [
        "0 s",
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2 h",
        "2 days",
    ]
