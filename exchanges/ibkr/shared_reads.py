"""Reads that the venue allows seldom, made once for everybody who waits for one."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Generic, TypeVar

from horizon.errors import HorizonError
from horizon.model import AccountId

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Answers of `read`, by account. Whoever asks gets one whose read began after the asking, and shares it with all
    others of whom that is true: twenty look-ups at once are two reads, not twenty."""

    def __init__(self, read: Callable[[AccountId], Awaitable[T]]) -> None:
        self._read = read
        self._moments = count(1)
        self._turns: dict[AccountId, asyncio.Lock] = {}
        self._latest: dict[AccountId, tuple[int, T | HorizonError]] = {}

    async def fresh(self, account_id: AccountId) -> T:
        """An answer that is not older than this call. A read that fails fails for all who share it."""
        asked = next(self._moments)
        async with self._turns.setdefault(account_id, asyncio.Lock()):
            began, answer = self._latest.get(account_id, (0, None))
            if answer is None or began < asked:
                began = next(self._moments)
                try:
                    answer = await self._read(account_id)
                except HorizonError as error:
                    answer = error
                self._latest[account_id] = began, answer
        if isinstance(answer, HorizonError):
            raise answer.with_traceback(None)
        return answer
