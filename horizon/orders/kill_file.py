"""The kill switch as a file: pulled from outside, seen by every process of this user, there until a person resets it.

`STATE/kill/EXCHANGE-ACCOUNT` stops one account and `STATE/kill/all` every account. That the file is there is what
counts: one that a person makes with `touch` does as well. It holds who pulled it and why.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from horizon.directories import state_directory
from horizon.errors import ConfigurationError, RecordingError

_MOST_BYTES = 4096


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """Why a kill switch is pulled. `time` is in ns, 0 where it is not known."""

    reason: str
    time: int = 0
    pid: int = 0


class KillFile:
    """The switches that stop one account. Without an account, the one that stops all."""

    def __init__(self, exchange: str = "", account_id: str = "", *, directory: Path | None = None) -> None:
        folder = directory or state_directory() / "kill"
        everything = folder / "all"
        self.path = folder / f"{exchange}-{account_id}" if account_id else everything
        """What `pull` makes."""
        self._paths = (self.path, everything) if account_id else (everything,)

    def pulled(self) -> Pulled | None:
        """Why no order may leave; None while one may. Costs two looks at a folder."""
        for path in self._paths:
            if os.path.lexists(path):
                return _read(path)
        return None

    def pull(self, reason: str, *, now: int) -> Pulled:
        """Stop. What stands there already is kept: the first reason is the one to look into.

        Raises RecordingError when the file can't be made: the switch then holds for this process only.
        """
        if not reason.strip():
            raise ConfigurationError("expected a reason for pulling the kill switch, found none")
        pulled = Pulled(reason=reason, time=now, pid=os.getpid())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            if os.path.lexists(self.path):
                return _read(self.path)
            raise RecordingError(
                f"the kill switch {self.path} could not be pulled ({error.strerror or error}): stop the process itself",
                file=str(self.path),
            ) from error
        # that the file is there is what stops; a disk that is full for its contents makes no difference
        with suppress(OSError):
            os.write(file, msgspec.json.encode(pulled))
            os.fsync(file)
        os.close(file)
        return pulled

    def reset(self) -> bool:
        """Let orders pass again; whether the switch was pulled. ConfigurationError when all accounts are stopped."""
        try:
            self.path.unlink()
            was = True
        except FileNotFoundError:
            was = False
        except OSError as error:
            raise RecordingError(
                f"the kill switch {self.path} could not be reset ({error.strerror or error}): remove it by hand",
                file=str(self.path),
            ) from error
        everything = self._paths[-1]
        if os.path.lexists(everything):
            raise ConfigurationError(
                f"the kill switch for all accounts is pulled ({_read(everything).reason}): reset it with "
                "`horizon kill --reset`, without --account"
            )
        return was


def _read(path: Path) -> Pulled:
    try:
        return msgspec.json.decode(path.read_bytes()[:_MOST_BYTES], type=Pulled)
    except (OSError, msgspec.DecodeError):
        return Pulled(reason=f"{path} is there")


def pulled_switches() -> list[KillFile]:
    """Every switch that is pulled, the one for all accounts first."""
    folder = state_directory() / "kill"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = [KillFile()] if "all" in names else []
    return found + [KillFile(*name.split("-", 1)) for name in names if name != "all" and "-" in name]
