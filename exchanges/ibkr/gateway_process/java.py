"""The Java that runs the gateway."""

import asyncio
import os
import re
import shutil
from pathlib import Path
from typing import Final

import msgspec

from horizon.clock import Clock
from horizon.errors import ConfigurationError

OLDEST: Final = (8, 192)
"""Java 8 update 192, as IBKR's page on the gateway asks; later ones work too (measured with 17)."""
_WHERE_FROM: Final = (
    "install a Java runtime, 17 for instance (Debian, Ubuntu: `apt install openjdk-17-jre-headless`; macOS: "
    "`brew install openjdk@17`; others: https://adoptium.net), or set JAVA_HOME to one"
)
_SECONDS: Final = 20.0
_VERSION = re.compile(r'version "(?P<text>(?P<first>\d+)(?:\.(?P<second>\d+))?[^"]*)"')


class Java(msgspec.Struct, frozen=True):
    """One Java runtime."""

    path: Path
    version: str

    @property
    def folder(self) -> Path:
        """What belongs first on the PATH of a program that runs `java`."""
        return self.path.parent

    @property
    def keytool(self) -> Path | None:
        """The keytool of this Java, or the one on the PATH."""
        beside = self.path.resolve().parent / "keytool"
        found = str(beside) if beside.is_file() else shutil.which("keytool")
        return Path(found) if found else None


async def find_java(clock: Clock) -> Java:
    """The Java of JAVA_HOME, or the first on the PATH. Raises ConfigurationError for none, or one that is too old."""
    home = os.environ.get("JAVA_HOME", "")
    chosen = shutil.which("java", path=str(Path(home) / "bin")) if home else None
    found = chosen or shutil.which("java")
    if found is None:
        raise ConfigurationError(f"the gateway needs Java, and no `java` is on the PATH: {_WHERE_FROM}")
    text = await _said(found, clock)
    match = _VERSION.search(text)
    if match is None:
        # macOS has a /usr/bin/java that only says that there is no Java
        raise ConfigurationError(
            f"expected {found} to tell its version, found {' '.join(text.split())[:120] or 'nothing'!r}: {_WHERE_FROM}"
        )
    if _number(match) < OLDEST:
        raise ConfigurationError(
            f"the gateway needs Java 8 update 192 or newer, found {match['text']} at {found}: {_WHERE_FROM}"
        )
    return Java(Path(found), match["text"])


async def _said(java: str, clock: Clock) -> str:
    try:
        async with clock.in_flight():
            process = await asyncio.create_subprocess_exec(
                java,
                "-version",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
    except OSError as error:
        raise ConfigurationError(f"{java} can't be run ({error.strerror}): {_WHERE_FROM}") from error
    try:
        async with clock.deadline(_SECONDS), clock.in_flight():
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ConfigurationError(f"{java} did not tell its version in {_SECONDS:.0f} s: {_WHERE_FROM}") from None
    return output.decode("utf-8", "replace")


def _number(match: re.Match[str]) -> tuple[int, int]:
    """`17.0.15` is (17, 0); `1.8.0_292` is (8, 292)."""
    first, second = int(match["first"]), int(match["second"] or 0)
    if first > 1:
        return first, second
    update = re.search(r"_(\d+)", match["text"])
    return second, int(update[1]) if update else 0
