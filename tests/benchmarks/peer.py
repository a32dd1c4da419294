"""ibind, the peer that REST calls are compared with, in an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

from processes import WORK

REQUIREMENT = "ibind==0.2.2"


class PeerMissing(Exception):
    """The peer can't be measured; the text says why and what to do."""


def ibind_python() -> Path:
    """The Python that has ibind. Installs it on first use; raises PeerMissing when that is not possible."""
    environment = WORK / REQUIREMENT.replace("==", "-")
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    complete = environment / ".complete"
    if complete.exists():
        return python
    print(f"installing {REQUIREMENT} into {environment} (once)", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(environment)])
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT])
    complete.touch()
    return python


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode:
        cause = next((line for line in reversed(ended.stdout.splitlines()) if line.strip()), "no output")
        raise PeerMissing(
            f"{REQUIREMENT} could not be installed ({cause.strip()}): connect to a package registry and run this again"
        )
