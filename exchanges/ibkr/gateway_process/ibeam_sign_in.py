"""One sign-in with ibeam, from its start to its outcome, told as it goes.

ibeam fills in the login page and presses the button once. The approval on the phone is the user's, and has a deadline.
What became of it is read from the gateway, not from ibeam: its exit code is always 0.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from exchanges.ibkr.auth.login_note import LoginNote, LoginPhase, write_login_note
from exchanges.ibkr.auth.sign_ins import SignIns
from exchanges.ibkr.client import Client
from exchanges.ibkr.gateway_process.credentials import Credentials
from exchanges.ibkr.gateway_process.ibeam import Ibeam
from exchanges.ibkr.gateway_process.record import GatewayRecord, gateways_directory
from exchanges.ibkr.gateway_process.sign_in import wait_for_sign_in
from horizon.clock import NANOSECONDS, Clock, to_datetime
from horizon.net.redaction import extract

APPROVAL_SECONDS: Final = 180
"""How long the phone is waited for by default. IBKR's own page gives up after a few minutes."""
_SECONDS_AROUND: Final = 90
"""What the browser may take before and after that: starting, loading the page, leaving it."""
_SETTLE_SECONDS: Final = 20
"""The gateway opens the brokerage session by itself after a sign-in; that takes a moment."""
_LAST_LINES: Final = 5
_INHERITED: Final = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "DISPLAY", "XAUTHORITY", "PYTHONPATH")


class Outcome(StrEnum):
    """What became of a sign-in."""

    VERIFIED = "verified"
    REFUSED = "refused"
    NOT_APPROVED = "not approved in time"
    FAILED = "failed"


class SignInResult(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one sign-in."""

    outcome: Outcome
    text: str


class _Step(StrEnum):
    """What a line of ibeam's means."""

    SECOND_FACTOR = "second factor"
    REFUSED = "refused"


_SIGNS: Final = (
    ("requires notification two-factor", _Step.SECOND_FACTOR),
    ("requires two-factor", _Step.SECOND_FACTOR),
    ("error displayed by the login webpage", _Step.REFUSED),
    ("maximum number of failed authentication attempts", _Step.REFUSED),
)


class IbeamSignIn:
    """Signs in to a gateway that runs on this machine. At most two attempts an hour are made for one user, counted over
    restarts; a third raises TokenExpired with the time from which on it is allowed."""

    def __init__(
        self,
        ibeam: Ibeam,
        credentials: Credentials,
        gateway: GatewayRecord,
        client: Client,
        clock: Clock,
        *,
        tell: Callable[[str], None],
        approval_seconds: int = APPROVAL_SECONDS,
    ) -> None:
        self._ibeam = ibeam
        self._credentials = credentials
        self._gateway = gateway
        self._client = client
        self._clock = clock
        self._tell = tell
        self._approval_seconds = approval_seconds
        self._attempts = SignIns(f"ibeam {credentials.username}", directory=gateways_directory())

    def next_allowed(self) -> int:
        """Integer nanoseconds from which on another attempt is allowed."""
        return self._attempts.next_allowed(self._clock.now())

    async def attempt(self) -> SignInResult:
        """Sign in once. The note about it is written as it goes."""
        attempt = self._attempts.begin(self._clock.now())
        limit = self._approval_seconds + _SECONDS_AROUND
        self._note(LoginPhase.STARTED, limit, "a sign-in with ibeam has begun: wait")
        self._tell("signing in with ibeam")
        lines: list[str] = []
        steps: set[_Step] = set()
        try:
            with TemporaryDirectory(prefix="horizon-ibeam-") as folder:
                process = await self._start(Path(folder))
                ended = await self._follow(process, lines, steps, limit)
        except OSError as error:
            attempt.not_sent()
            return self._ended(Outcome.FAILED, f"ibeam could not be started: {error.strerror}")
        settled = self._clock.now() + (0 if _Step.REFUSED in steps else _SETTLE_SECONDS) * NANOSECONDS
        if await wait_for_sign_in(self._client, self._clock, settled, _unheard):
            return self._ended(Outcome.VERIFIED, "signed in")
        if _Step.REFUSED in steps:
            said = next(line for line in lines if _step_of(line) is _Step.REFUSED)
            return self._ended(Outcome.REFUSED, f"the sign-in was refused: {said}")
        if _Step.SECOND_FACTOR in steps:
            return self._ended(Outcome.NOT_APPROVED, "the sign-in was not approved on the phone in time")
        last = " | ".join(lines[-_LAST_LINES:]) or "nothing"
        why = "ended without signing in" if ended else f"did not end in {limit} s"
        return self._ended(Outcome.FAILED, f"ibeam {why}; it said: {last}")

    async def _start(self, folder: Path) -> asyncio.subprocess.Process:
        inputs, outputs = folder / "inputs", folder / "outputs"
        inputs.mkdir()
        outputs.mkdir()
        # what the user has set for ibeam (how to find the second factor, a paper user) stays, what follows overrides it
        environment = {
            name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("IBEAM_")
        }
        environment |= {
            "IBEAM_ACCOUNT": self._credentials.username,
            "IBEAM_PASSWORD": self._credentials.password,
            "IBEAM_GATEWAY_BASE_URL": self._gateway.base_url,
            "IBEAM_GATEWAY_DIR": self._gateway.directory,
            "IBEAM_CHROME_DRIVER_PATH": self._ibeam.driver,
            # it copies what it finds there into the gateway's folder, and writes logs and pictures of the page
            "IBEAM_INPUTS_DIR": str(inputs),
            "IBEAM_OUTPUTS_DIR": str(outputs),
            # any text but the empty one counts as yes
            "IBEAM_LOG_TO_FILE": "",
            "IBEAM_ERROR_SCREENSHOTS": "",
            # its own defaults try up to ten times, log out and begin again: that locks users out
            "IBEAM_MAX_IMMEDIATE_ATTEMPTS": "1",
            "IBEAM_MAX_FAILED_AUTH": "1",
            "IBEAM_REQUEST_RETRIES": "1",
            "IBEAM_RESTART_FAILED_SESSIONS": "",
            # 15 s by default, which nobody's phone meets
            "IBEAM_OAUTH_TIMEOUT": str(self._approval_seconds),
            "PYTHONUNBUFFERED": "1",
        }
        async with self._clock.in_flight():
            return await asyncio.create_subprocess_exec(
                *self._ibeam.command,
                "-a",
                env=environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )

    async def _follow(
        self, process: asyncio.subprocess.Process, lines: list[str], steps: set[_Step], limit: float
    ) -> bool:
        """Read its lines until it ends; whether it did so within `limit` seconds. Its browser ends with it."""
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            async with self._clock.deadline(limit), self._clock.in_flight():
                async for raw in process.stdout:
                    line = extract(self._credentials.masked(raw.decode("utf-8", "replace")))
                    lines.append(line)
                    step = _step_of(line)
                    if step is _Step.SECOND_FACTOR and step not in steps:
                        self._wait_for_the_phone()
                    if step is not None:
                        steps.add(step)
                await process.wait()
            return True
        except TimeoutError:
            return False
        finally:
            _end(process)
            await process.wait()

    def _wait_for_the_phone(self) -> None:
        until = self._note(LoginPhase.WAITING_FOR_SECOND_FACTOR, self._approval_seconds, "")
        self._tell(f"approve the sign-in on the phone until {to_datetime(until):%H:%M:%S} UTC")

    def _ended(self, outcome: Outcome, text: str) -> SignInResult:
        text = self._credentials.masked(text)
        if outcome is Outcome.VERIFIED:
            self._note(LoginPhase.VERIFIED, None, "")
        else:
            self._note(LoginPhase.REFUSED, None, f"sign in again: {text}")
        return SignInResult(outcome=outcome, text=text)

    def _note(self, phase: LoginPhase, seconds: int | None, text: str) -> int:
        now = self._clock.now()
        until = None if seconds is None else now + seconds * NANOSECONDS
        write_login_note(self._gateway.base_url, LoginNote(phase=phase, since=now, until=until, text=text))
        return now if until is None else until


def _step_of(line: str) -> _Step | None:
    lowered = line.lower()
    return next((step for sign, step in _SIGNS if sign in lowered), None)


def _end(process: asyncio.subprocess.Process) -> None:
    """End it with the browser and the screen that it started: all of them are in its group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _unheard(text: str) -> None:
    """ibeam's outcome is told in one sentence."""
