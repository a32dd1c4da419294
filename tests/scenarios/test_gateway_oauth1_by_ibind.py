"""OAuth 1.0a at the simulated gateway, by a client of others: ibind, which has its own mathematics."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from exchanges.ibkr.simulator import SignInRules, Simulator
from exchanges.ibkr.simulator.credentials import sample_oauth1_consumer

ROOT = Path(__file__).resolve().parents[2]
CALLS = Path(__file__).with_name("ibind_oauth1_calls.py")
CHOSEN = "HORIZON_IBIND_PYTHON"


@pytest.fixture
def ibind_python() -> Path:
    """A Python that has `ibind[oauth]`."""
    python = Path(os.environ.get(CHOSEN, ROOT / ".bench" / "ibind-0.2.2" / "bin" / "python"))
    probe = [python, "-c", "import ibind.oauth.oauth1a"]
    if not python.exists() or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip(
            f"no ibind with its OAuth extra at {python}: install ibind[oauth]==0.2.2 and name its Python in {CHOSEN}"
        )
    return python


async def test_ibind_signs_in_reads_and_signs_in_again(ibind_python: Path, tmp_path: Path) -> None:
    sample = sample_oauth1_consumer()
    known = sample.registered
    credentials = {
        "access_token": known.access_token,
        "access_token_secret": known.access_token_secret,
        "consumer_key": known.consumer_key,
        "dh_prime": f"{known.dh_prime:x}",
        "encryption_key": sample.encryption_key_pem,
        "signature_key": sample.signature_key_pem,
        "realm": known.realm,
    }
    (tmp_path / "credentials.json").write_text(json.dumps(credentials))
    # ibind leaves query parameters out of what it signs, and is used like that.
    rules = SignInRules(query_is_signed=False)
    async with Simulator(
        sign_in="oauth1", oauth1_consumers=[known], sign_in_rules=rules, directory=tmp_path, pacing=False
    ) as gateway:
        ran = await asyncio.create_subprocess_exec(
            ibind_python,
            CALLS,
            gateway.base_url,
            tmp_path / "credentials.json",
            env=os.environ | {"REQUESTS_CA_BUNDLE": str(gateway.certificate)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await ran.communicate()
        assert ran.returncode == 0, f"{errors.decode()[-2000:]} {gateway.refusals}"
        assert not gateway.refusals
    found = json.loads(output)
    assert found.pop("expires_ms") > 0
    assert found == {
        "validated": True,
        "tickle": ["hmds", "iserver", "session"],
        "accounts": ["DU1234567", "DU7654321"],
        "searched": "756733",
        "brokerage": ["DU1234567", "DU7654321"],
        "competing": True,
    }
