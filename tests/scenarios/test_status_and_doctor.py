"""`horizon ibkr status` and `horizon doctor` at embedded gateways in many states, as a user runs them."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.credentials import SampleOAuth2, sample_oauth2_client
from horizon.cli.app import app
from horizon.errors import ConfigurationError

HOLDER = "Horizon Simulation"
STATUS_KEYS = {
    "profile",
    "url",
    "signs_in",
    "ready",
    "reason",
    "asked",
    "tiers",
    "accounts",
    "selected_account",
    "competing",
    "server",
    "kept_by",
    "keep_alive_age_seconds",
    "sign_in_holds_seconds",
    "token_expires",
    "sign_ins_left",
    "next_sign_in",
    "penalty_seconds",
    "limits",
    "certificate",
    "reset_now",
    "next_reset",
    "time",
}


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in list(os.environ):
        if name.startswith("IBKR_"):
            monkeypatch.delenv(name)


@pytest.fixture
async def gateway() -> AsyncIterator[Simulator]:
    async with Simulator(penalty_box=True) as gateway:
        yield gateway
        assert gateway.rate_limited == 0
        assert gateway.sent_in_penalty_box == 0


async def run(*arguments: str) -> Result:
    """The command beside the gateway, which has the loop of the test."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env={"COLUMNS": "250"})


async def status(gateway: Simulator, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = await run("ibkr", "status", "--url", gateway.base_url, "--json", *arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(found) == STATUS_KEYS
    assert HOLDER not in done.output
    return done.exit_code, found


async def doctor(gateway: Simulator, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = await run("doctor", "--url", gateway.base_url, "--json", *arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    told = json.loads(done.stdout)
    checks = {check["name"]: check for check in told["checks"]}
    assert len(checks) == len(told["checks"])
    assert told["ok"] == (done.exit_code == 0) == all(check["result"] != "failed" for check in checks.values())
    assert all(check["action"] for check in checks.values() if check["result"] in ("warning", "failed"))
    assert HOLDER not in done.output
    return done.exit_code, checks


def tiers(found: dict[str, Any]) -> list[bool]:
    assert [tier["tier"] for tier in found["tiers"]] == ["token", "gateway", "brokerage", "market_data"]
    return [tier["up"] for tier in found["tiers"]]


def asked(gateway: Simulator) -> list[str]:
    return [request.path.removeprefix("/v1/api") for request in gateway.requests]


# -- status ----------------------------------------------------------------------------------------------------------


async def test_a_session_that_is_ready_is_told_without_opening_anything(gateway: Simulator) -> None:
    code, found = await status(gateway)
    assert (code, found["ready"], found["reason"]) == (0, True, "")
    assert tiers(found) == [True] * 4
    assert found["accounts"] == [
        {"account_id": "DU1234567", "is_live": False},
        {"account_id": "DU7654321", "is_live": False},
    ]
    assert (found["competing"], found["kept_by"], found["penalty_seconds"]) == (False, None, 0.0)
    assert found["certificate"]["fingerprint"] == gateway.fingerprint
    assert found["certificate"]["trusted"] == "not pinned yet"
    assert asked(gateway) == ["/iserver/auth/status", "/tickle", "/iserver/accounts"]


async def test_a_person_is_shown_a_table(gateway: Simulator) -> None:
    done = await run("ibkr", "status", "--url", gateway.base_url)
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][:2] == ["session", "ready,"]
    assert [line[:2] for line in lines[2:6]] == [
        ["token", "up"],
        ["gateway", "up"],
        ["brokerage", "up"],
        ["market", "data"],
    ]
    assert "DU1234567 (paper)" in done.stdout
    assert "pinned just now" in done.stdout
    assert "next reset" in done.stdout


async def test_a_live_account_is_called_live() -> None:
    async with Simulator(is_paper=False) as gateway:
        _, found = await status(gateway)
        assert all(account["is_live"] for account in found["accounts"])
        code, checks = await doctor(gateway)
    assert (code, checks["accounts"]["result"]) == (0, "warning")
    assert "U1234567 (LIVE)" in checks["accounts"]["found"]


async def test_the_program_that_keeps_the_session_gives_the_tiers_their_ages(gateway: Simulator) -> None:
    url = gateway.base_url
    async with InteractiveBrokers(api_url=url, certificate=gateway.certificate, account_id=gateway.accounts[0]):
        before = asked(gateway)
        code, found = await status(gateway)
        assert asked(gateway)[len(before) :].count("/iserver/auth/ssodh/init") == 0
        assert (code, found["kept_by"]) == (0, os.getpid())
        assert 0 <= found["keep_alive_age_seconds"] < 30
        assert all(0 <= tier["age_seconds"] < 30 for tier in found["tiers"])
        done = await run("ibkr", "status", "--url", url)
        assert f"by the program with pid {os.getpid()}" in done.stdout
    _, found = await status(gateway)
    assert found["kept_by"] is None
    assert all(tier["age_seconds"] is None for tier in found["tiers"])


async def test_a_gateway_that_nobody_signed_in_to(gateway: Simulator) -> None:
    gateway.log_out()
    code, found = await status(gateway)
    assert (code, found["ready"], found["competing"]) == (1, False, None)
    assert tiers(found) == [True, False, False, False]
    assert found["tiers"][1]["action"].startswith("sign in at https://localhost:")
    code, checks = await doctor(gateway)
    assert (code, checks["login"]["result"]) == (1, "failed")
    assert checks["login"]["action"].startswith("sign in at https://localhost:")
    assert checks["market data SPY"]["result"] == "skipped"


async def test_another_program_holds_the_session_and_keeps_it(gateway: Simulator) -> None:
    gateway.compete()
    code, found = await status(gateway)
    assert (code, found["competing"]) == (1, True)
    assert tiers(found) == [True, True, False, False]
    code, checks = await doctor(gateway)
    assert (code, checks["competing"]["result"], checks["session"]["result"]) == (1, "failed", "skipped")
    assert "TWS" in checks["competing"]["action"]
    assert gateway.state.session.competing
    assert set(asked(gateway)) == {"/iserver/auth/status", "/tickle"}


async def test_a_brokerage_session_that_nobody_keeps_is_not_opened(gateway: Simulator) -> None:
    gateway.drop_session()
    code, found = await status(gateway)
    assert code == 1
    assert found["tiers"][2]["cause"] == "no brokerage session is open, and no program of this user keeps one"
    code, checks = await doctor(gateway)
    assert (code, checks["session"]["result"]) == (0, "warning")
    assert not gateway.state.session.established


async def test_nothing_is_sent_in_a_penalty_that_another_program_met(gateway: Simulator) -> None:
    gateway.penalize(300)
    code, found = await status(gateway)
    assert (code, found["ready"]) == (1, False)
    assert len(asked(gateway)) == 1
    code, found = await status(gateway)
    assert 800 < found["penalty_seconds"] <= 900
    code, checks = await doctor(gateway)
    assert (code, checks["penalty"]["result"]) == (1, "failed")
    assert checks["login"] == {
        "name": "login",
        "result": "skipped",
        "found": "no request is sent while the penalty lasts",
        "action": "",
    }
    assert len(asked(gateway)) == 1
    done = await run("ibkr", "status", "--url", gateway.base_url)
    assert "penalty      IBKR has answered 429 and takes nothing for 15 min more" in done.stdout


async def test_nobody_listens_and_everything_after_it_is_skipped(tmp_path: Path) -> None:
    async with Simulator() as gateway:
        url = gateway.base_url
    done = await run("ibkr", "status", "--url", url, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["tiers"][1]["cause"].startswith("no gateway answers at")
    done = await run("doctor", "--url", url, "--gateway-dir", str(tmp_path))
    assert done.exit_code == 1
    assert "nobody listens at localhost:" in done.stdout
    assert "start the gateway with `horizon ibkr gateway start --dir DIR`" in done.stdout
    assert f"expected IBKR's gateway in {tmp_path}, found no bin/run.sh" in done.stdout
    assert done.stdout.splitlines()[-1].split(", ")[-1].endswith("skipped")


async def test_a_changed_certificate_gets_no_request(tmp_path: Path) -> None:
    async with Simulator() as gateway:
        port = int(gateway.base_url.split(":")[2].split("/")[0])
        await status(gateway)
    async with Simulator(port=port) as gateway:
        code, found = await status(gateway)
        assert (code, found["certificate"]["trusted"]) == (2, "changed")
        code, checks = await doctor(gateway)
        assert (code, checks["certificate"]["result"]) == (1, "failed")
        assert f"horizon ibkr trust https://localhost:{port}" in checks["certificate"]["action"]
        assert checks["login"]["found"] == "nothing is sent before the certificate is trusted"
        assert asked(gateway) == []


def test_the_page_lists_every_key_of_the_json() -> None:
    page = (Path(__file__).parents[2] / "docs" / "venues" / "ibkr.md").read_text(encoding="utf-8")
    table = page.partition("`--json` prints one object with these keys")[2].partition("`horizon doctor` walks")[0]
    assert {key for key in STATUS_KEYS if f"`{key}`" not in table} == set()


# -- doctor ----------------------------------------------------------------------------------------------------------


async def test_everything_is_well(gateway: Simulator) -> None:
    code, checks = await doctor(gateway)
    assert code == 0
    wrong = {name: check for name, check in checks.items() if check["result"] not in ("ok", "skipped")}
    assert set(wrong) <= {"exposure", "java", "disk"}, wrong
    for name in ("python", "packages", "settings", "port", "certificate", "login", "clock", "session", "accounts"):
        assert checks[name]["result"] == "ok", checks[name]
    assert checks["market data SPY"]["found"].startswith(("real-time", "frozen"))
    assert checks["market data ForecastEx"]["result"] == "ok"
    assert "event contracts" in checks["trading"]["found"]
    changing = {
        "/iserver/auth/ssodh/init",
        "/iserver/account/orders/whatif",
        "/logout",
        "/iserver/marketdata/unsubscribe",
    }
    assert not changing & set(asked(gateway))


async def test_wrong_settings_are_told_and_the_machine_is_looked_at_all_the_same(tmp_path: Path) -> None:
    write_settings(tmp_path, '[paper]\nregoin = "US"\n')
    done = await run("doctor")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("settings"))
    assert lines[at].endswith("ibkr.toml, [paper]: 'regoin' is no setting")
    assert lines[at + 1].split() == ["to", "do", "did", "you", "mean", '"region"?']
    assert "everything else        skipped" in done.stdout
    done = await run("ibkr", "status")
    assert isinstance(done.exception, ConfigurationError)


async def test_a_certificate_file_that_is_not_there_is_told_and_nothing_is_sent(tmp_path: Path) -> None:
    write_settings(tmp_path, '[paper]\ncertificate = "gone.pem"\n')
    async with Simulator() as gateway:
        code, checks = await doctor(gateway)
        assert asked(gateway) == []
    assert (code, checks["connection"]["result"]) == (1, "failed")
    assert checks["connection"]["found"].startswith("expected a PEM file")


# -- signing in by itself ----------------------------------------------------------------------------------------------


def write_settings(folder: Path, text: str) -> None:
    file = folder / "configuration" / "horizon" / "ibkr.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def sign_in_by_oauth2(folder: Path, sample: SampleOAuth2, url: str, mode: int = 0o600) -> Path:
    key = folder / "key.pem"
    key.write_text(sample.private_key_pem)
    key.chmod(mode)
    write_settings(
        folder,
        f'[live]\nauth = "oauth2"\nurl = "{url}"\nclient_id = "{sample.registered.client_id}"\nkey_id = "main"\n'
        f'key_file = "{key}"\nusername = "{sample.registered.username}"\nip = "127.0.0.1"\n',
    )
    return key


async def test_oauth_is_looked_at_without_a_sign_in_unless_asked_for(tmp_path: Path) -> None:
    sample = sample_oauth2_client()
    async with Simulator(sign_in="oauth2", oauth2_clients=[sample.registered]) as gateway:
        sign_in_by_oauth2(tmp_path, sample, gateway.base_url)
        code, found = await status(gateway)
        assert (code, found["asked"], found["sign_ins_left"], found["profile"]) == (1, False, 2, "live")
        _, checks = await doctor(gateway)
        assert (checks["login"]["result"], checks["keys"]["found"]) == ("skipped", "read for OAuth2")
        assert "java" not in checks
        assert asked(gateway) == []
        code, found = await status(gateway, "--sign-in")
        assert (found["asked"], found["signs_in"]) == (True, "OAuth2")
        assert tiers(found)[:2] == [True, True]
        assert found["token_expires"] > found["time"]
        assert gateway.sign_ins == 1
        assert "/iserver/auth/ssodh/init" not in asked(gateway)


async def test_oauth_is_told_by_the_program_that_keeps_the_session(tmp_path: Path) -> None:
    sample = sample_oauth2_client()
    async with Simulator(sign_in="oauth2", oauth2_clients=[sample.registered]) as gateway:
        sign_in_by_oauth2(tmp_path, sample, gateway.base_url)
        async with InteractiveBrokers.from_settings(account_id=gateway.accounts[0]):
            before = len(asked(gateway))
            code, found = await status(gateway)
            assert (code, found["ready"], found["asked"], found["kept_by"]) == (0, True, False, os.getpid())
            assert tiers(found) == [True] * 4
            assert found["token_expires"] is not None
            assert len(asked(gateway)) == before
            assert gateway.sign_ins == 1


async def test_the_note_of_another_user_at_the_same_address_is_not_ours(tmp_path: Path) -> None:
    one, two = sample_oauth2_client(), sample_oauth2_client("somebody-else", username="other")
    async with Simulator(sign_in="oauth2", oauth2_clients=[one.registered, two.registered]) as gateway:
        sign_in_by_oauth2(tmp_path, one, gateway.base_url)
        async with InteractiveBrokers.from_settings(account_id=gateway.accounts[0]):
            sign_in_by_oauth2(tmp_path, two, gateway.base_url)
            code, found = await status(gateway)
    assert (code, found["kept_by"], found["tiers"]) == (1, None, [])


async def test_a_key_that_others_may_read_fails_with_the_chmod_to_run(tmp_path: Path) -> None:
    sample = sample_oauth2_client()
    async with Simulator(sign_in="oauth2", oauth2_clients=[sample.registered]) as gateway:
        key = sign_in_by_oauth2(tmp_path, sample, gateway.base_url, 0o644)
        code, checks = await doctor(gateway)
    assert (code, checks["keys: key"]["result"]) == (1, "failed")
    assert f"chmod 600 {key}" in checks["keys: key"]["action"]
    assert checks["login"]["found"] == "what to connect with must be right first"
    assert checks["certificate"]["result"] == "ok"
