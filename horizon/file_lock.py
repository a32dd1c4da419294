"""An operating system's lock on an open file: held until it is let go, or until its process ends, however it ends."""

import os
import sys

if sys.platform == "win32":
    import msvcrt

    # a lock on Windows keeps others from reading what it covers: it covers a byte that is not there
    _FAR = 1 << 30

    def try_lock(file: int) -> bool:
        """Whether the lock on this descriptor is ours now; never waits."""
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def unlock(file: int) -> None:
        """Let the lock go."""
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(file: int) -> bool:
        """Whether the lock on this descriptor is ours now; never waits."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.sched_yield()  # whoever asks again at once lets the holder go on first
            return False
        return True

    def unlock(file: int) -> None:
        """Let the lock go."""
        fcntl.flock(file, fcntl.LOCK_UN)
