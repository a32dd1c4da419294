"""Waiting inside a handler."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, cast

from horizon.clock import Clock


def parked(clock: Clock) -> AbstractAsyncContextManager[Any]:
    """A block in which a handler waits for the clock on purpose, so that scripted time can pass for its client."""
    block = getattr(clock, "parked", None)
    return nullcontext() if block is None else cast("AbstractAsyncContextManager[Any]", block())
