"""Fixtures for every kind of test."""

from collections.abc import AsyncIterator

import pytest

from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000


@pytest.fixture
async def scripted_clock() -> AsyncIterator[ScriptedClock]:
    """A clock that jumps whenever everything waits."""
    clock = ScriptedClock(START)
    async with clock.running():
        yield clock
