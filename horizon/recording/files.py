"""Files that are there whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: whoever looks sees the old file or the new one. On disk when this returns.

    Raises OSError, and leaves what was there before.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Add one line to a file; on disk when this returns. A line that could only be written in part is taken back.

    Raises OSError.
    """
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                os.ftruncate(file.fileno(), before)
            raise
    if before == 0:
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    """Make a rename durable. Windows can't open a directory, and renames durably by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
