"""SIGUSR1 pulls the kill switch of every account that a run trades: `kill -USR1 PID`."""

import asyncio
import logging
import signal
import threading
from collections.abc import Sequence

from horizon.errors import RecordingError
from horizon.exchange import Exchange

_logger = logging.getLogger(__name__)


class KillOnSignal:
    """While in this block. Systems without such a signal, and threads other than the main one, go without."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._exchanges = exchanges
        self._installed = False

    def __enter__(self) -> None:
        if hasattr(signal, "SIGUSR1") and threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._pull)
            self._installed = True

    def __exit__(self, *_: object) -> None:
        if self._installed:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)

    def _pull(self) -> None:
        for exchange in self._exchanges:
            try:
                exchange.pull_kill_switch("SIGUSR1")
            except RecordingError:
                # it holds for this run; who starts another one finds no file
                _logger.exception("the kill switch is pulled for this run alone")
