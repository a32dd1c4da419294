"""No answer at all: what a gateway gives while its upstream is away."""

import asyncio

from starlette.types import Receive, Scope

from exchanges.ibkr.simulator.upstream import Upstream
from horizon.clock import Clock
from horizon.simulation.faulty import cut, until_gone
from horizon.simulation.waiting import parked


async def say_nothing(upstream: Upstream, clock: Clock, scope: Scope, receive: Receive) -> None:
    """Let the client wait until it leaves, or until the upstream is back; then its connection is cut."""
    leaving = asyncio.ensure_future(until_gone(receive))
    back = asyncio.ensure_future(upstream.answers())
    try:
        async with parked(clock):
            await asyncio.wait({leaving, back}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        back.cancel()
        if not leaving.done():
            leaving.cancel()
    if leaving.cancelled() or not leaving.done():
        await asyncio.wait({leaving})
        await cut(scope, receive)
