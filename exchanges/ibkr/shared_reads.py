"""Reads that are worth their place in the request limits, made once for everybody who waits for one."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

from horizon.errors import HorizonError

Key = TypeVar("Key", bound=Hashable)
T = TypeVar("T")


class SharedReads(Generic[Key, T]):
    """Answers of `read`, by what is asked for (an account). Whoever asks gets one whose read began after the asking,
    and shares it with all others of whom that is true: twenty look-ups at once are two reads, not twenty."""

    def __init__(self, read: Callable[[Key], Awaitable[T]]) -> None:
        self._read = read
        self._moments = count(1)
        self._turns: dict[Key, asyncio.Lock] = {}
        self._latest: dict[Key, tuple[int, T | HorizonError]] = {}

    async def fresh(self, key: Key) -> T:
        """An answer that is not older than this call. A read that fails fails for all who share it."""
        asked = next(self._moments)
        async with self._turns.setdefault(key, asyncio.Lock()):
            began, answer = self._latest.get(key, (0, None))
            if answer is None or began < asked:
                began = next(self._moments)
                try:
                    answer = await self._read(key)
                except HorizonError as error:
                    answer = error
                self._latest[key] = began, answer
        if isinstance(answer, HorizonError):
            raise answer.with_traceback(None)
        return answer
