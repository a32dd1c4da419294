"""Ways of telling a person, and the task that does it in the background.

    InteractiveBrokers(notify=NotifyCommand(["notify-send", "Horizon"]))
    InteractiveBrokers(notify=[NotifyWebhook("https://ntfy.sh/my-topic"), my_own_hook])

A hook is told that somebody has to sign in or approve, that another program holds the session, that a reset takes too
long, that it is over, and every notice of level ERROR: each once. One that fails is a line in the log and nothing else.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from horizon.clock import Clock, to_datetime
from horizon.errors import ConfigurationError
from horizon.net.redaction import extract, redact
from horizon.net.tls import SystemTrust, is_loopback
from horizon.observe.alerts import Alert, Alerts

MOST_WAITING: Final = 100
"""Alerts that wait to be told; when there are more, the oldest is dropped."""
CLOSING_SECONDS: Final = 5.0
"""For how long closing waits for alerts to be told."""

_encode = msgspec.json.Encoder().encode
_logger = logging.getLogger(__name__)


class NotifyHook(Protocol):
    """Tells one alert. It may take its time and may raise: nobody waits for it."""

    async def tell(self, alert: Alert, clock: Clock) -> None: ...


Notify = NotifyHook | Sequence[NotifyHook]


class NotifyCommand:
    """Runs a program for each alert: the text is its last argument, and the alert as JSON its standard input.

    No shell sees either. It is ended after `timeout` seconds.
    """

    def __init__(self, argv: Sequence[str], *, timeout: float = 30.0) -> None:
        if isinstance(argv, str) or not argv or not all(isinstance(each, str) and each for each in argv):
            raise ConfigurationError(
                f'expected a command as a list of words such as ["notify-send", "Horizon"], found {argv!r}'
            )
        self._argv = tuple(argv)
        self._timeout = _positive(timeout)

    def __repr__(self) -> str:
        return f"NotifyCommand([{self._argv[0]!r}, ...])"

    async def tell(self, alert: Alert, clock: Clock) -> None:
        """Raises OSError when there is no such program, RuntimeError when it fails, TimeoutError when it hangs."""
        async with clock.in_flight():
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                alert.text,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        try:
            async with clock.deadline(self._timeout), clock.in_flight():
                _, said = await process.communicate(as_json(alert))
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise RuntimeError(f"it ended with status {process.returncode}: {extract(said)}")


class NotifyWebhook:
    """Posts each alert as JSON: to an https address, or to any on this machine. The address may hold a secret."""

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        try:
            address = urlsplit(url)
            port = address.port
        except ValueError:
            address, port = urlsplit(""), None
        host = address.hostname or ""
        if not host or not (address.scheme == "https" or (address.scheme == "http" and is_loopback(host))):
            raise ConfigurationError(
                f"expected the address of a webhook as https://..., or http://... on this machine, found one that "
                f"begins with {url[:8]!r}"
            )
        self._base = f"{address.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
        self._target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        self._timeout = _positive(timeout)

    def __repr__(self) -> str:
        return f"NotifyWebhook({self._base!r})"

    async def tell(self, alert: Alert, clock: Clock) -> None:
        """Raises NotSent or NoAnswer when nobody answers, RuntimeError for an answer that is not 2xx."""
        # the HTTP libraries take longer to load than everything else
        from horizon.net.http import HttpClient

        http = HttpClient(self._base, clock=clock, trust=SystemTrust())
        try:
            answer = await http.request("POST", self._target, content=as_json(alert), timeout=self._timeout)
        finally:
            await http.close()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"it answered {answer.status}")


class Notifier:
    """Tells hooks in the background what a person must hear. `take` never waits; `close` ends the task."""

    def __init__(self, notify: Notify | None, clock: Clock) -> None:
        self._hooks = hooks_of(notify)
        self._clock = clock
        self._alerts = Alerts()
        self._waiting: asyncio.Queue[Alert] = asyncio.Queue(MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    def take(self, event: object) -> None:
        """An event of the venue, whether it must be heard or not."""
        if not self._hooks or (alert := self._alerts.of(event)) is None:
            return
        if self._waiting.full():
            _logger.warning("an alert is dropped, because the ones before it are not told yet: %s", alert.text)
            self._waiting.get_nowait()
            self._waiting.task_done()
        self._waiting.put_nowait(alert)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="notifications")

    async def close(self) -> None:
        """Tell what still waits, for a few seconds at most, and stop."""
        task, self._task = self._task, None
        if task is None:
            return
        with suppress(TimeoutError):
            async with self._clock.deadline(CLOSING_SECONDS):
                await self._waiting.join()
        task.cancel()
        await asyncio.wait([task])

    async def _run(self) -> None:
        while True:
            alert = await self._waiting.get()
            try:
                for hook in self._hooks:
                    await self._tell(hook, alert)
            finally:
                self._waiting.task_done()

    async def _tell(self, hook: NotifyHook, alert: Alert) -> None:
        try:
            await hook.tell(alert, self._clock)
        except TimeoutError:
            _logger.warning("%r took too long to tell: %s", hook, alert.text)
        except Exception as error:
            # whatever a hook does wrong, the run goes on; the person may still read the log
            _logger.warning("%r could not tell %r: %s: %s", hook, alert.text, type(error).__name__, redact(str(error)))


def hooks_of(notify: Notify | None) -> tuple[NotifyHook, ...]:
    """One hook or several, as a tuple. ConfigurationError for what is none."""
    hooks = tuple(notify) if isinstance(notify, Sequence) else () if notify is None else (notify,)
    for hook in hooks:
        if not callable(getattr(hook, "tell", None)):
            raise ConfigurationError(
                f"expected notify to be a NotifyCommand, a NotifyWebhook or an object with `async tell(alert, clock)`, "
                f"found {type(hook).__name__}"
            )
    return hooks


def as_json(alert: Alert) -> bytes:
    """An alert as a JSON object; its moments as ISO 8601 too, for whoever reads it without Horizon."""
    fields = msgspec.to_builtins(alert)
    fields["at"] = to_datetime(alert.time).isoformat()
    fields["act_before"] = None if alert.act_until is None else to_datetime(alert.act_until).isoformat()
    return _encode(fields)


def _positive(seconds: float) -> float:
    if not seconds > 0:
        raise ConfigurationError(f"expected a timeout of more than 0 seconds, found {seconds}")
    return seconds
