"""Ending a gateway that was started here, and nothing else."""

import msgspec

from exchanges.ibkr.gateway_process.directory import refuse_windows
from exchanges.ibkr.gateway_process.processes import end_group, still_running
from exchanges.ibkr.gateway_process.record import DEFAULT_PORT, forget_record, read_record
from exchanges.ibkr.gateway_process.start import PATIENCE
from horizon.clock import Clock


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    pid: int | None
    """None when no gateway of ours ran there."""
    killed: bool = False
    """It did not end when it was asked to."""


async def stop_gateway(clock: Clock, *, port: int = DEFAULT_PORT, patience: float = PATIENCE) -> Stopped:
    """End the gateway that was started here at a port: SIGTERM, and SIGKILL after `patience` seconds.

    A process that only has the same number, because it came later, is left alone.
    """
    refuse_windows()
    record = read_record(port)
    if record is None:
        return Stopped(pid=None)
    if not await still_running(record.processes):
        forget_record(port)
        return Stopped(pid=None)
    killed = await end_group(record.processes, clock, patience=patience)
    forget_record(port)
    return Stopped(pid=record.pid, killed=killed)
