"""The simulated gateway by a client of others: ibind, which was written against the real one."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Literal

import pytest

from exchanges.ibkr.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
CALLS = Path(__file__).with_name("ibind_gateway_calls.py")
CHOSEN = "HORIZON_IBIND_PYTHON"


@pytest.fixture
def ibind_python() -> Path:
    """A Python that has ibind."""
    python = Path(os.environ.get(CHOSEN, ROOT / ".bench" / "ibind-0.2.2" / "bin" / "python"))
    if (
        not python.exists()
        or subprocess.run([python, "-c", "import ibind"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"no ibind at {python}: install ibind==0.2.2 and name its Python in {CHOSEN}")
    return python


@pytest.mark.parametrize("quirks", [(), "all"], ids=["plain", "with every manner of the real one"])
async def test_ibind_reads_and_logs_out(ibind_python: Path, tmp_path: Path, quirks: Literal["all"] | tuple[()]) -> None:
    async with Simulator(directory=tmp_path, quirks=quirks, pacing=False) as gateway:
        account = gateway.accounts[0]
        trusted = [] if quirks else [str(gateway.certificate)]
        ran = await asyncio.create_subprocess_exec(
            ibind_python, CALLS, gateway.base_url, account, *trusted, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = await ran.communicate()
        assert ran.returncode == 0, errors.decode()[-2000:]
    assert json.loads(output) == {
        "healthy": True,
        "tickle": ["collission", "hmds", "iserver", "session", "ssoExpires", "userId"],
        "established": True,
        "brokerage": ["DU1234567", "DU7654321"],
        "accounts": ["DU1234567", "DU7654321"],
        "conid": 756733,
        "bars": True,
        "quoted": [756733],
        "orders": [],
        "opened_again": True,
        "user": "horizon",
        "logged_out": True,
    }
