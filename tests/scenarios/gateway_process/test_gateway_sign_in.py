"""Signing in to a gateway: a person in a browser, or ibeam with a person at the phone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.login_note import LoginNote, LoginPhase, read_login_note
from exchanges.ibkr.client import Client
from exchanges.ibkr.gateway_process import ibeam_sign_in
from exchanges.ibkr.gateway_process.browser_sign_in import open_browser, sign_in_by_browser
from exchanges.ibkr.gateway_process.credentials import (
    Credentials,
    credentials_from_file,
    credentials_from_keyring,
)
from exchanges.ibkr.gateway_process.ibeam import find_ibeam
from exchanges.ibkr.gateway_process.ibeam_sign_in import IbeamSignIn, Outcome, SignInResult
from exchanges.ibkr.gateway_process.keeper import keep_signed_in
from exchanges.ibkr.gateway_process.sign_in import gateway_client
from exchanges.ibkr.gateway_process.start import start_gateway
from exchanges.ibkr.gateway_process.status import gateway_status
from horizon.clock import NANOSECONDS, Clock, SystemClock
from horizon.errors import ConfigurationError, TokenExpired, VenueUnavailable
from horizon.net.rates import RateLimiter
from horizon.simulation.scripted_clock import ScriptedClock

Gateway = Any
"""The FakeGateway of conftest.py."""
HERE = Path(__file__).parent
HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
SYSTEM = SystemClock()
USER, PASSWORD = "planted-user", "planted-password"


class Running:
    """A gateway that runs, with a client of it and what a person was told."""

    def __init__(self, fake: Gateway, client: Client, clock: Clock, sign_in: IbeamSignIn, told: list[str]) -> None:
        self.fake = fake
        self.client = client
        self.clock = clock
        self.sign_in = sign_in
        self.told = told

    @property
    def url(self) -> str:
        return f"https://localhost:{self.fake.port}"

    @property
    def note(self) -> LoginNote:
        note = read_login_note(self.url)
        assert note is not None
        return note

    def asks_of_a_person(self) -> tuple[str, int | None]:
        """What a program that waits for this gateway tells its user."""
        auth = LocalGateway()
        auth.bind(self.url, None, self.clock)  # type: ignore[arg-type]
        state = auth.token()
        return state.action, state.act_until


@pytest.fixture
def ready(gateway: Gateway) -> Gateway:
    """A machine with ibeam, a browser, its driver and a screen."""
    gateway.add_program("ibeam", f'#!/bin/sh\nexec "{sys.executable}" "{HERE / "fake_ibeam.py"}" "$@"\n')
    for name in ("chromium", "chromedriver", "Xvfb"):
        gateway.add_program(name, "#!/bin/sh\n")
    return gateway


Run = Callable[[Clock], Awaitable[Running]]


@pytest.fixture
async def run(ready: Gateway) -> AsyncIterator[Run]:
    """Starts the gateway; what is waited for after that passes on the given clock."""
    async with AsyncExitStack() as stack:

        async def running(clock: Clock) -> Running:
            told: list[str] = []
            record = await start_gateway(ready.path, SYSTEM, port=ready.port, tell=told.append)
            client = gateway_client(record.base_url, clock)
            stack.push_async_callback(client.close)
            signing = IbeamSignIn(
                find_ibeam(), Credentials(USER, PASSWORD), record, client, clock, tell=lambda line: told.append(line)
            )
            return Running(ready, client, clock, signing, told)

        yield running


def plays(gateway: Gateway, how: str) -> None:
    (gateway.path / "ibeam_plays").write_text(how)


# --- in a browser -------------------------------------------------------------------------------------------------


async def test_a_sign_in_in_the_browser_is_waited_for_and_told(run: Run, scripted_clock: ScriptedClock) -> None:
    running = await run(scripted_clock)
    asked: list[tuple[str, int | None]] = []

    def person(address: str) -> bool:
        asked.append(running.asks_of_a_person())
        running.fake.sign_in()
        return True

    assert await sign_in_by_browser(running.client, scripted_clock, tell=running.told.append, seconds=60, show=person)
    action, until = asked[0]
    assert action.startswith(f"sign in at {running.url} in a browser until ")
    assert until is not None
    assert until > scripted_clock.now()
    assert running.note.phase is LoginPhase.VERIFIED
    assert running.asks_of_a_person() == ("", None)
    assert f"the login page is open in your browser: {running.url}" in running.told


async def test_nobody_signs_in_before_the_deadline(run: Run, scripted_clock: ScriptedClock) -> None:
    running = await run(scripted_clock)
    began = scripted_clock.now()
    assert not await sign_in_by_browser(
        running.client, scripted_clock, tell=running.told.append, seconds=600, show=lambda address: False
    )
    assert scripted_clock.now() - began == pytest.approx(600 * NANOSECONDS, rel=0.01)
    assert any("ssh -L" in line for line in running.told)
    assert sum("not signed in" in line for line in running.told) == 1  # once, not at every question
    assert running.note.phase is LoginPhase.REFUSED
    assert "nobody did in time" in running.asks_of_a_person()[0]


async def test_who_is_signed_in_already_is_not_asked(run: Run, scripted_clock: ScriptedClock) -> None:
    running = await run(scripted_clock)
    running.fake.sign_in()

    def nobody(address: str) -> bool:
        raise AssertionError("no browser is wanted")

    assert await sign_in_by_browser(running.client, scripted_clock, tell=running.told.append, show=nobody)
    assert running.note.phase is LoginPhase.VERIFIED


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has a screen of its own")
def test_no_browser_is_opened_without_a_screen(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert not open_browser("https://localhost:5000")
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_browser("https://localhost:5000")
    assert opened == ["https://localhost:5000"]


# --- with ibeam ---------------------------------------------------------------------------------------------------


async def test_ibeam_signs_in_and_gets_the_password_by_its_environment_only(
    run: Run, scripted_clock: ScriptedClock
) -> None:
    running = await run(scripted_clock)
    plays(running.fake, "success")
    result = await running.sign_in.attempt()
    assert result.outcome is Outcome.VERIFIED
    assert running.note.phase is LoginPhase.VERIFIED
    saw = json.loads((running.fake.path / "ibeam_saw").read_text())
    assert saw["arguments"] == ["-a"]
    assert {"IBEAM_ACCOUNT", "IBEAM_PASSWORD", "IBEAM_GATEWAY_BASE_URL", "IBEAM_CHROME_DRIVER_PATH"} <= set(
        saw["names"]
    )


async def test_the_approval_on_the_phone_is_asked_for_with_its_deadline(
    run: Run, scripted_clock: ScriptedClock
) -> None:
    running = await run(scripted_clock)
    plays(running.fake, "approval")
    asked: list[tuple[str, int | None]] = []

    def person(line: str) -> None:
        running.told.append(line)
        if "approve the sign-in on the phone" in line:
            asked.append(running.asks_of_a_person())
            (running.fake.path / "approved").touch()

    running.sign_in._tell = person
    result = await running.sign_in.attempt()
    assert result.outcome is Outcome.VERIFIED
    (action, until) = asked[0]
    assert until is not None
    assert until - scripted_clock.now() <= 180 * NANOSECONDS
    assert action in running.told
    assert running.asks_of_a_person() == ("", None)


async def test_an_approval_that_is_missed_is_told(run: Run, scripted_clock: ScriptedClock) -> None:
    running = await run(scripted_clock)
    plays(running.fake, "missed")
    result = await running.sign_in.attempt()
    assert result.outcome is Outcome.NOT_APPROVED
    assert running.note.phase is LoginPhase.REFUSED
    assert "not approved on the phone in time" in running.asks_of_a_person()[0]
    status = await gateway_status(SYSTEM, port=running.fake.port)
    assert status.login is LoginPhase.REFUSED


async def test_refused_credentials_are_told_and_shown_nowhere(
    run: Run, scripted_clock: ScriptedClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    running = await run(scripted_clock)
    plays(running.fake, "refused")
    result = await running.sign_in.attempt()
    assert result.outcome is Outcome.REFUSED
    assert "Invalid username password combination" in result.text
    shown = [result.text, caplog.text, repr(running.sign_in), running.note.text, *running.told]
    files = [each.read_text("utf-8", "replace") for each in running.fake.path.parent.rglob("*") if each.is_file()]
    for secret in (USER, PASSWORD):
        assert not [text for text in (*shown, *files) if secret in text]


async def test_an_ibeam_that_breaks_is_told_with_its_last_words(run: Run, scripted_clock: ScriptedClock) -> None:
    running = await run(scripted_clock)
    plays(running.fake, "breaks")
    result = await running.sign_in.attempt()
    assert result.outcome is Outcome.FAILED
    assert "cannot find Chrome binary" in result.text
    assert "Submitting the form for [redacted] [redacted]" in result.text
    assert PASSWORD not in result.text


async def test_an_ibeam_that_hangs_is_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ibeam_sign_in, "_SECONDS_AROUND", 0)
    monkeypatch.setattr(ibeam_sign_in, "_SETTLE_SECONDS", 0)
    running = await run(SYSTEM)
    plays(running.fake, "hangs")
    running.sign_in._approval_seconds = 1
    result = await running.sign_in.attempt()
    assert result.outcome is Outcome.FAILED
    assert "did not end in 1 s" in result.text


async def test_a_third_attempt_within_the_hour_is_not_made_even_after_a_restart(
    run: Run, scripted_clock: ScriptedClock
) -> None:
    running = await run(scripted_clock)
    plays(running.fake, "missed")
    assert running.sign_in.next_allowed() <= scripted_clock.now()
    for _ in range(2):
        await running.sign_in.attempt()
    (running.fake.path / "ibeam_saw").unlink()
    again = (await run(scripted_clock)).sign_in
    assert again.next_allowed() > scripted_clock.now()
    with pytest.raises(TokenExpired, match="the next sign-in is allowed at"):
        await again.attempt()
    assert not (running.fake.path / "ibeam_saw").exists()


async def test_an_ibeam_that_can_not_be_started_costs_no_attempt(run: Run, scripted_clock: ScriptedClock) -> None:
    running = await run(scripted_clock)
    for _ in range(3):
        running.fake.add_program("ibeam", "no program")
        result = await running.sign_in.attempt()
        assert "could not be started" in result.text
    assert running.sign_in.next_allowed() <= scripted_clock.now()


async def test_the_command_signs_in_with_ibeam(ready: Gateway) -> None:
    secret = ready.path.parent / "credentials"
    secret.write_text(f"{USER}\n{PASSWORD}\n")
    secret.chmod(0o600)
    plays(ready, "success")
    done = await horizon(
        "start", "--dir", str(ready.path), "--port", str(ready.port), "--login", "ibeam", "--once",
        "--credentials", str(secret),
    )  # fmt: skip
    assert done[0] == 0, done[2]
    assert "verified: signed in" in done[1]
    assert PASSWORD not in done[1] + done[2]


async def test_the_command_keeps_it_signed_in_until_it_is_ended(ready: Gateway) -> None:
    secret = ready.path.parent / "credentials"
    secret.write_text(f"{USER}\n{PASSWORD}\n")
    secret.chmod(0o600)
    ready.sign_in()
    process = await asyncio.create_subprocess_exec(
        *HORIZON, "ibkr", "gateway", "start", "--dir", str(ready.path), "--port", str(ready.port),
        "--login", "ibeam", "--credentials", str(secret), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    async for line in process.stderr:
        if b"keeping it signed in" in line:
            process.terminate()
    assert process.stdout is not None
    out = (await process.stdout.read()).decode()
    assert await process.wait() == 0
    assert "signed in already" in out
    assert "nobody keeps it signed in any more" in out


async def test_the_command_waits_for_a_person_and_says_when_nobody_came(ready: Gateway) -> None:
    arguments = ("start", "--dir", str(ready.path), "--port", str(ready.port), "--login", "browser", "--wait", "1")
    code, out, err = await horizon(*arguments)
    assert code == 1, err
    assert "nobody signed in within 1 s: the gateway keeps running" in out
    assert f"open the login page in a browser on this machine: https://localhost:{ready.port}" in err
    ready.sign_in()
    code, out, err = await horizon(*arguments)
    assert code == 0, err
    assert f"signed in at https://localhost:{ready.port}" in out


async def test_what_can_be_refused_is_refused_before_anything_is_started(ready: Gateway) -> None:
    code, _, err = await horizon("start", "--dir", str(ready.path), "--login", "ibeam", "--credentials", "/nowhere")
    assert code == 2
    assert "expected a file with user name and password at /nowhere" in err
    assert not ready.pids()


async def horizon(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *HORIZON, "ibkr", "gateway", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


# --- what ibeam needs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("ibeam", "pip install ibeam"),
        ("chromium", "Chrome or Chromium"),
        ("chromedriver", "IBEAM_CHROME_DRIVER_PATH"),
        pytest.param(
            "Xvfb", "apt install xvfb", marks=pytest.mark.skipif(sys.platform != "linux", reason="needed on Linux only")
        ),
    ],
)
def test_what_ibeam_needs_is_named_when_it_is_missing(ready: Gateway, missing: str, sentence: str) -> None:
    assert find_ibeam().command == (str(ready.programs / "ibeam"),)
    (ready.programs / missing).unlink()
    with pytest.raises(ConfigurationError, match=sentence) as error:
        find_ibeam()
    assert "--login browser" in str(error.value)


def test_an_ibeam_that_is_a_python_package_is_run_with_this_python(
    ready: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ready.programs / "ibeam").unlink()
    package = tmp_path / "site" / "ibeam"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('nobody imports it')\n")
    (package / "ibeam_starter.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert find_ibeam().command == (sys.executable, str(package / "ibeam_starter.py"))


# --- user name and password ---------------------------------------------------------------------------------------


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "credentials"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_credentials_are_read_from_two_lines_and_shown_nowhere(tmp_path: Path) -> None:
    found = credentials_from_file(secret_file(tmp_path, f"{USER}\n\n{PASSWORD}\n"))
    assert (found.username, found.password) == (USER, PASSWORD)
    assert repr(found) == "Credentials([redacted])"
    assert found.masked(f"{USER}/{PASSWORD}") == "[redacted]/[redacted]"
    with pytest.raises(TypeError, match="not pickled"):
        found.__reduce__()


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (f"{USER}\n{PASSWORD}\n", 0o644, "run `chmod 600 "),
        (f"{USER}\n{PASSWORD}\n", 0o640, "found mode 0640"),
        ("", 0o600, "found 0"),
        (f"{USER}\n", 0o600, "found 1"),
        (f"{USER}\n{PASSWORD}\nmore\n", 0o600, "found 3"),
    ],
)
def test_a_file_of_credentials_that_is_not_right_is_one_sentence_without_them(
    tmp_path: Path, text: str, mode: int, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as error:
        credentials_from_file(secret_file(tmp_path, text, mode))
    assert USER not in str(error.value)
    assert PASSWORD not in str(error.value)


def fake_keyring(found: dict[str, str], fails: bool = False) -> SimpleNamespace:
    errors = SimpleNamespace(KeyringError=type("KeyringError", (Exception,), {}))

    def get_password(service: str, name: str) -> str | None:
        if fails:
            raise errors.KeyringError("locked")
        return found.get(f"{service} {name}")

    return SimpleNamespace(get_password=get_password, errors=errors)


@pytest.mark.parametrize(
    ("keyring", "sentence"),
    [
        (None, r"pip install 'horizon-trading\[keyring\]'"),
        (fake_keyring({}), "found no username and password"),
        (fake_keyring({"horizon-ibkr username": USER}), "found no password: run `keyring set horizon-ibkr"),
        (fake_keyring({}, fails=True), "unlock it"),
    ],
)
def test_a_keyring_that_does_not_help_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, keyring: SimpleNamespace | None, sentence: str
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", None if keyring is None else keyring.errors)
    with pytest.raises(ConfigurationError, match=sentence):
        credentials_from_keyring()


def test_credentials_come_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = fake_keyring({"horizon-ibkr username": USER, "horizon-ibkr password": PASSWORD})
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", keyring.errors)
    found = credentials_from_keyring()
    assert (found.username, found.password) == (USER, PASSWORD)


# --- keeping it signed in -----------------------------------------------------------------------------------------


class Kept:
    """A gateway of written answers, and attempts of written outcomes, kept signed in on a scripted clock."""

    def __init__(self, clock: ScriptedClock, answers: list[int], outcomes: list[Outcome]) -> None:
        self.clock = clock
        self.answers = answers
        self.outcomes = outcomes
        self.tickles: list[float] = []
        self.attempts: list[float] = []
        self.told: list[str] = []
        self.gateway_lives = True
        self.not_before = 0
        self.client = Client(
            "https://localhost:5000",
            clock=clock,
            limiter=RateLimiter((), clock),
            transport=httpx.MockTransport(self._answer),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.tickles.append(self.clock.monotonic())
        return httpx.Response(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0], content=b"{}")

    async def attempt(self) -> SignInResult:
        self.attempts.append(self.clock.monotonic())
        outcome = self.outcomes.pop(0)
        return SignInResult(outcome=outcome, text=f"it was {outcome}")

    async def alive(self) -> bool:
        return self.gateway_lives

    async def keep(self, seconds: float) -> None:
        async with self.clock.deadline(seconds):
            await keep_signed_in(
                self.client,
                self.clock,
                attempt=self.attempt,
                next_allowed=lambda: self.not_before,
                alive=self.alive,
                tell=self.told.append,
            )


async def test_it_tickles_every_minute_and_says_nothing(scripted_clock: ScriptedClock) -> None:
    kept = Kept(scripted_clock, [200], [])
    with pytest.raises(TimeoutError):
        await kept.keep(3601)
    assert len(kept.tickles) == 61
    assert kept.told == []


async def test_a_sign_in_that_has_ended_is_made_again(scripted_clock: ScriptedClock) -> None:
    kept = Kept(scripted_clock, [200, 401, 200], [Outcome.VERIFIED])
    with pytest.raises(TimeoutError):
        await kept.keep(300)
    assert kept.attempts == [60]
    assert kept.told[1:] == ["it was verified"]
    assert kept.told[0].startswith("signed out: ")


async def test_an_approval_that_was_missed_is_asked_for_again_when_it_is_allowed(
    scripted_clock: ScriptedClock,
) -> None:
    kept = Kept(scripted_clock, [401, 200], [Outcome.NOT_APPROVED, Outcome.VERIFIED])
    kept.not_before = scripted_clock.now() + 1800 * NANOSECONDS
    with pytest.raises(TimeoutError):
        await kept.keep(3600)
    assert kept.attempts == [1800, 1800]
    assert any("two sign-ins an hour are the limit" in line for line in kept.told)


async def test_refused_credentials_are_not_tried_again(scripted_clock: ScriptedClock) -> None:
    kept = Kept(scripted_clock, [401], [Outcome.REFUSED])
    with pytest.raises(ConfigurationError, match="not tried again"):
        await kept.keep(3600)
    assert kept.attempts == [0]


async def test_the_nightly_reset_is_waited_through_and_told_once(scripted_clock: ScriptedClock) -> None:
    kept = Kept(scripted_clock, [200, 503, 503, 500, 503, 200], [])
    with pytest.raises(TimeoutError):
        await kept.keep(600)
    assert len(kept.tickles) == 10
    assert [line.split(":")[0] for line in kept.told] == [
        "keep-alive failed, and is tried again every 60 s",
        "the gateway answers again",
    ]


async def test_a_gateway_that_has_ended_ends_the_keeping(scripted_clock: ScriptedClock) -> None:
    kept = Kept(scripted_clock, [503], [])
    kept.gateway_lives = False
    with pytest.raises(VenueUnavailable, match="the gateway has ended"):
        await kept.keep(600)
