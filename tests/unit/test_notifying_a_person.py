"""Who is told what, once, and what a hook that fails can do: nothing but a line in the log."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from horizon.clock import Clock
from horizon.errors import ConfigurationError
from horizon.exchange import Exchange
from horizon.model import Notice, NoticeLevel, SessionState, SessionTier, TierState
from horizon.observe.alerts import Alert, Alerts
from horizon.observe.notify import MOST_WAITING, Notifier, NotifyCommand, NotifyWebhook
from horizon.simulation.scripted_clock import ScriptedClock

LOGIN = TierState(
    tier=SessionTier.GATEWAY,
    up=False,
    since=1,
    cause="the gateway is not signed in",
    action="approve the sign-in on your phone",
    act_until=120_000_000_000,
    needs_person=True,
)
ABOVE = TierState(tier=SessionTier.BROKERAGE, up=False, since=1, cause="the gateway is not usable")
MENDS_ITSELF = TierState(tier=SessionTier.BROKERAGE, up=False, since=1, cause="dropped", action="it is opened again")


def state(*tiers: TierState, ready: bool = False, time: int = 1) -> SessionState:
    return SessionState(exchange="ibkr", time=time, ready=ready, tiers=tiers)


def notice(level: NoticeLevel, text: str = "the reset is over, and the session is not back") -> Notice:
    return Notice(exchange="ibkr", time=5, level=level, text=text)


# -- what is heard ---------------------------------------------------------------------------------------------------


def heard(*events: object) -> list[tuple[str, str]]:
    alerts = Alerts()
    return [(alert.kind, alert.text) for event in events if (alert := alerts.of(event)) is not None]


def test_somebody_who_has_to_act_hears_it_once_and_its_end_once() -> None:
    again = TierState(**{name: getattr(LOGIN, name) for name in LOGIN.__struct_fields__} | {"cause": "still not"})
    assert heard(state(LOGIN, ABOVE), state(LOGIN), state(again, time=9), state(ready=True), state(ready=True)) == [
        ("session", "ibkr: the gateway is not signed in: approve the sign-in on your phone"),
        ("restored", "ibkr: the session is back, nothing has to be done"),
    ]


def test_a_new_deadline_is_a_new_alert() -> None:
    later = TierState(**{name: getattr(LOGIN, name) for name in LOGIN.__struct_fields__} | {"act_until": 9})
    assert [kind for kind, _ in heard(state(LOGIN), state(later), state(LOGIN))] == ["session"] * 3


def test_what_mends_itself_is_not_heard() -> None:
    assert heard(state(MENDS_ITSELF), state(ready=True), state(LOGIN), state(MENDS_ITSELF), state(LOGIN)) == [
        ("session", "ibkr: the gateway is not signed in: approve the sign-in on your phone")
    ]


def test_of_notices_only_errors_are_heard() -> None:
    assert heard(notice(NoticeLevel.INFO), notice(NoticeLevel.WARNING), notice(NoticeLevel.ERROR)) == [
        ("error", "the reset is over, and the session is not back")
    ]


def test_secrets_are_not_told() -> None:
    ((_, text),) = heard(notice(NoticeLevel.ERROR, "refused: Authorization: Bearer abc.def.ghi"))
    assert "abc.def" not in text


# -- who tells it ----------------------------------------------------------------------------------------------------


class Hook:
    def __init__(self, error: Exception | None = None, seconds: float = 0) -> None:
        self.told: list[Alert] = []
        self.error = error
        self.seconds = seconds

    async def tell(self, alert: Alert, clock: Clock) -> None:
        await clock.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self.told.append(alert)


@pytest.fixture
async def clock() -> AsyncIterator[ScriptedClock]:
    made = ScriptedClock(1_700_000_000_000_000_000)
    async with made.running():
        yield made


async def test_a_hook_that_fails_stops_neither_the_others_nor_the_next_alert(
    clock: ScriptedClock, caplog: pytest.LogCaptureFixture
) -> None:
    broken, sound = Hook(OSError("no such program")), Hook()
    notifier = Notifier([broken, sound], clock)
    notifier.take(notice(NoticeLevel.ERROR, "one"))
    notifier.take(notice(NoticeLevel.ERROR, "two"))
    await notifier.close()
    assert [alert.text for alert in sound.told] == ["one", "two"]
    assert "could not tell 'one': OSError: no such program" in caplog.text


async def test_alerts_that_nobody_takes_are_bounded_and_the_newest_are_kept(clock: ScriptedClock) -> None:
    slow = Hook(seconds=0.001)
    notifier = Notifier(slow, clock)
    for number in range(MOST_WAITING + 50):
        notifier.take(notice(NoticeLevel.ERROR, str(number)))
    await notifier.close()
    assert len(slow.told) == MOST_WAITING
    assert slow.told[-1].text == str(MOST_WAITING + 49)


async def test_closing_waits_a_few_seconds_for_what_is_being_told_and_leaves_no_task(clock: ScriptedClock) -> None:
    before = asyncio.all_tasks()
    hanging = Hook(seconds=3600)
    notifier = Notifier(hanging, clock)
    notifier.take(notice(NoticeLevel.ERROR))
    began = clock.monotonic()
    await notifier.close()
    assert clock.monotonic() - began == pytest.approx(5)
    assert asyncio.all_tasks() == before
    assert hanging.told == []


async def test_without_hooks_no_task_is_started(clock: ScriptedClock) -> None:
    before = asyncio.all_tasks()
    notifier = Notifier(None, clock)
    notifier.take(notice(NoticeLevel.ERROR))
    assert asyncio.all_tasks() == before
    await notifier.close()


async def test_an_exchange_tells_its_hooks_also_when_it_can_not_be_opened(
    scripted_venue_that_needs_a_login: Any, clock: ScriptedClock, tmp_path: Path
) -> None:
    hook = Hook()
    exchange = Exchange(scripted_venue_that_needs_a_login, journal=tmp_path / "j.sqlite", clock=clock, notify=hook)
    with pytest.raises(ConfigurationError):
        await exchange.open()
    assert [alert.kind for alert in hook.told] == ["session"]


@pytest.fixture
def scripted_venue_that_needs_a_login() -> Any:
    class NeedsALogin:
        name = "ibkr"

        async def open(self, put: Any) -> None:
            put(state(LOGIN))
            raise ConfigurationError("not signed in")

        async def close(self) -> None: ...

    return NeedsALogin()


# -- a command -------------------------------------------------------------------------------------------------------

ALERT = Alert(
    exchange="ibkr", time=1_700_000_000_000_000_000, text="act; $(now) `or` else", kind="session", act_until=0
)


async def test_a_command_gets_the_text_as_its_last_argument_and_json_on_its_input(
    clock: ScriptedClock, tmp_path: Path
) -> None:
    written = tmp_path / "told"
    script = "import sys; open(sys.argv[1], 'w').write(sys.argv[2] + '\\n' + sys.stdin.read())"
    await NotifyCommand([sys.executable, "-c", script, str(written)]).tell(ALERT, clock)
    text, _, rest = await asyncio.to_thread(lambda: written.read_text().partition("\n"))
    assert text == "act; $(now) `or` else"
    assert json.loads(rest) == {
        "exchange": "ibkr",
        "time": 1_700_000_000_000_000_000,
        "text": "act; $(now) `or` else",
        "kind": "session",
        "act_until": 0,
        "account_id": None,
        "at": "2023-11-14T22:13:20+00:00",
        "act_before": "1970-01-01T00:00:00+00:00",
    }


async def test_a_command_that_fails_says_why(clock: ScriptedClock) -> None:
    with pytest.raises(RuntimeError, match="status 3: no display"):
        await NotifyCommand([sys.executable, "-c", "import sys; sys.stderr.write('no display'); exit(3)"]).tell(
            ALERT, clock
        )
    with pytest.raises(OSError, match="no-such-program"):
        await NotifyCommand(["/no-such-program"]).tell(ALERT, clock)


async def test_a_command_that_hangs_is_ended() -> None:
    from horizon.clock import SystemClock

    command = NotifyCommand([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)
    with pytest.raises(TimeoutError):
        await command.tell(ALERT, SystemClock())


@pytest.mark.parametrize("argv", ["notify-send", [], [""], [1]])
def test_a_command_is_a_list_of_words(argv: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a command as a list of words"):
        NotifyCommand(argv)


# -- a webhook -------------------------------------------------------------------------------------------------------


async def posted(status: int, clock: ScriptedClock) -> list[tuple[str, bytes]]:
    """What a webhook posts to a small server that answers with `status`."""
    seen: list[tuple[str, bytes]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-len"))
        seen.append((head.splitlines()[0], await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await NotifyWebhook(f"http://127.0.0.1:{port}/hooks/secret?key=1").tell(ALERT, clock)
    return seen


async def test_a_webhook_posts_the_alert_as_json(clock: ScriptedClock) -> None:
    ((line, body),) = await posted(204, clock)
    assert line == "POST /hooks/secret?key=1 HTTP/1.1"
    assert json.loads(body)["text"] == ALERT.text


async def test_a_webhook_that_is_refused_says_so_without_its_address(clock: ScriptedClock) -> None:
    with pytest.raises(RuntimeError, match="it answered 403") as error:
        await posted(403, clock)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["http://example.com/hook", "ftp://localhost/x", "example.com", "", "https://", "http://127.0.0.1:99999/"]
)
def test_a_webhook_is_https_or_on_this_machine(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected the address of a webhook"):
        NotifyWebhook(url)


def test_a_webhooks_path_is_not_shown() -> None:
    assert repr(NotifyWebhook("https://hooks.example.com/T0/secret")) == "NotifyWebhook('https://hooks.example.com')"


@pytest.mark.parametrize("notify", ["a text", object(), [object()]])
async def test_what_is_no_hook_is_refused(notify: Any, clock: ScriptedClock) -> None:
    with pytest.raises(ConfigurationError, match="expected notify to be a NotifyCommand"):
        Notifier(notify, clock)
