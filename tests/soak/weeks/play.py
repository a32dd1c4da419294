"""Plays one planned week: the gateway, the program under test and the people, on one scripted clock."""

import asyncio
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from weeks.load import Trader, look_around
from weeks.people import Caretaker
from weeks.plan import DAY, Plan
from weeks.verdict import Told, broken_promises, forced_429s

from exchanges import InteractiveBrokers
from exchanges.ibkr.auth import Auth, DiffieHellman, OAuth1, OAuth2, PrivateKey
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.credentials import sample_oauth1_consumer, sample_oauth2_client
from horizon.clock import NANOSECONDS
from horizon.engine.run import RunResult, run_async
from horizon.model import Notice, SessionState
from horizon.simulation.prices import SyntheticPath
from horizon.simulation.scripted_clock import ScriptedClock

POLLS_EVERY = 30.0
LOOKS_EVERY = 3600.0
_VOLATILITY = 0.18


class Week:
    """One week that has been played. `line` is what is printed of it, `states` what was told."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.states: list[SessionState] = []
        self.notices: list[Notice] = []
        self.line: dict[str, object] = {}
        self.broken: list[str] = []
        self.gateway: Simulator | None = None

    def take(self, event: object) -> None:
        if isinstance(event, SessionState):
            self.states.append(event)
        elif isinstance(event, Notice):
            self.notices.append(event)


async def play(plan: Plan, *, polls_every: float = POLLS_EVERY, looks_every: float = LOOKS_EVERY) -> Week:
    """The whole week, and the verdict on it."""
    began, worked = time.perf_counter(), time.process_time()
    week = Week(plan)
    before = asyncio.all_tasks()
    trader = Trader()
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as kept:
            clock = ScriptedClock(plan.start)
            await kept.enter_async_context(clock.running())
            auth, access = _signing_in(plan)
            gateway = week.gateway = await kept.enter_async_context(_gateway(plan, clock, access))
            caretaker = Caretaker(gateway, plan.missed_requests, comes_after=_minutes_until_there(plan))
            kept.push_async_callback(caretaker.leave)
            if auth is None:
                await caretaker.sign_in(clock)
            ib = InteractiveBrokers(
                auth=auth,
                api_url=gateway.base_url,
                hosts=gateway.hosts[1:],
                certificate=gateway.fingerprint or None,
                account_id=gateway.accounts[0],
                compete="once",
                journal=Path(folder) / "journal.sqlite",
                notify=caretaker,
                clock=clock,
            )
            result = await _worked(plan, week, ib, trader, clock, polls_every, looks_every)
            held = gateway.book(gateway.accounts[0]).positions
        leaked = asyncio.all_tasks() - before
    told = Told(states=week.states, leaked_tasks=len(leaked))
    week.broken = [*broken_promises(plan, gateway, told), *_lost_orders(gateway, result, held)]
    week.line = {
        "soak": "session-week",
        "mode": plan.mode,
        "seed": plan.seed,
        "days": plan.days,
        "requests": len(gateway.requests),
        "rate_limited": gateway.rate_limited,
        "rate_limited_forced": forced_429s(gateway),
        "sent_in_penalty_box": gateway.sent_in_penalty_box,
        "transitions": len(week.states),
        "leaked_tasks": len(leaked),
        "signed_in": week.states[-1].ready and gateway.state.session.established,
        "human_logins": gateway.human_logins,
        "sign_ins": gateway.sign_ins,
        "orders": dict(Counter({str(status): count for status, count in trader.statuses.items()})),
        "broken": week.broken,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - worked, 1),
    }
    return week


async def _worked(
    plan: Plan,
    week: Week,
    ib: InteractiveBrokers,
    trader: Trader,
    clock: ScriptedClock,
    polls_every: float,
    looks_every: float,
) -> RunResult:
    left = (plan.end - clock.now()) / NANOSECONDS
    async with ib:
        looking = asyncio.create_task(look_around(ib, clock, looks_every, Random(plan.seed)), name="look around")
        try:
            return await run_async(
                trader, ib, interval=polls_every, duration=timedelta(seconds=left), on_event=week.take
            )
        finally:
            if looking.done():
                looking.result()
            looking.cancel()
            await asyncio.wait([looking])


def _lost_orders(gateway: Simulator, result: RunResult, held: dict[int, Any]) -> list[str]:
    """What the run believes it did, against the gateway's own book."""
    executions = len(gateway.book(gateway.accounts[0]).executions)
    found = []
    if executions != len(result.fills):
        found.append(f"{executions} executions at the gateway, {len(result.fills)} fills in the run")
    if sorted(held.values()) != sorted(result.positions.values()):
        found.append(f"positions {held} at the gateway, {result.positions} in the run")
    if not executions:
        found.append("nothing was traded")
    if not result.reason.endswith("have passed"):
        found.append(f"the run ended early: {result.reason}")
    found += [f"order {order.client_order_id} was left {order.status}" for order in result.working]
    return found


def _minutes_until_there(plan: Plan) -> float:
    return Random(plan.seed).uniform(60.0, 1800.0)


def _gateway(plan: Plan, clock: ScriptedClock, access: dict[str, Any]) -> Simulator:
    end = plan.end + round(DAY * NANOSECONDS)
    # An open market all week, so that orders meet every hour of it.
    prices = SyntheticPath(
        "SPY", seed=plan.seed, start=plan.start, end=end, initial=600.0, volatility=_VOLATILITY, step=60.0
    )
    return Simulator(
        clock=clock,
        prices=prices,
        event_volatility=_VOLATILITY,
        seed=plan.seed,
        prompts=False,
        resets=True,
        penalty_box=True,
        faults=plan.events,
        **access,
    )


def _signing_in(plan: Plan) -> tuple[Auth | None, dict[str, Any]]:
    """The way of signing in, and how the gateway is told of it."""
    match plan.mode:
        case "oauth2":
            client = sample_oauth2_client()
            known = client.registered
            key = PrivateKey.from_bytes(client.private_key_pem)
            auth = OAuth2(client_id=known.client_id, key_id=known.key_id, key=key, username=known.username, ip=known.ip)
            return auth, {"sign_in": "oauth2", "oauth2_clients": [known], "plain_http": True, "hosts": 2}
        case "oauth1":
            consumer = sample_oauth1_consumer()
            owner = consumer.registered
            signing = OAuth1(
                consumer_key=owner.consumer_key,
                access_token=owner.access_token,
                access_token_secret=owner.access_token_secret,
                signature_key=PrivateKey.from_bytes(consumer.signature_key_pem),
                encryption_key=PrivateKey.from_bytes(consumer.encryption_key_pem),
                dh=DiffieHellman.from_bytes(consumer.dh_parameters_pem),
            )
            return signing, {"sign_in": "oauth1", "oauth1_consumers": [owner], "plain_http": True, "hosts": 2}
        case "gateway":
            return None, {"second_factor": True, "logged_in": False, "quirks": "all"}
