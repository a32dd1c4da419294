"""Recorded OAuth 1.0a vectors of another implementation, and the arithmetic around them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from exchanges.ibkr.auth.diffie_hellman import DiffieHellman
from exchanges.ibkr.auth.live_session_token import derived, is_proven
from exchanges.ibkr.auth.oauth1_signing import base_string

VECTORS = Path(__file__).parents[3] / "shared" / "data" / "ibkr_samples" / "ibkrdotnet__oauth1a_vectors.json"
pytestmark = pytest.mark.skipif(not VECTORS.is_file(), reason="the recorded vectors are not beside the repository")


def vectors() -> Any:
    return json.loads(VECTORS.read_text())


@pytest.mark.parametrize("name", ["ordinary", "signBitPadded"])
def test_the_exchange_gives_the_recorded_challenge_token_and_proof(name: str) -> None:
    (vector,) = [each for each in vectors()["diffieHellman"] if each["name"] == name]
    parameters = DiffieHellman.from_hex(vector["primeHex"], vector["generator"])
    exponent = int(vector["clientPrivateHex"], 16)
    assert parameters.challenge(exponent) == vector["clientChallengeHex"]

    key = parameters.shared_key(exponent, vector["serverResponseHex"])
    assert int.from_bytes(key, "big").bit_length() == vector["sharedSecretBitLength"]
    assert len(key) == vector["sharedSecretBitLength"] // 8 + 1

    token = derived(key, bytes.fromhex(vector["prependHex"]))
    assert base64.b64encode(token).decode() == vector["liveSessionToken"]
    assert is_proven(token, vector["consumerKey"], vector["liveSessionTokenSignature"])
    assert not is_proven(token, "TESTCON5", vector["liveSessionTokenSignature"])


def test_the_base_string_is_the_recorded_one() -> None:
    vector = vectors()["baseString"]
    found = base_string(vector["method"], vector["url"], vector["params"])
    assert found == vector["expected"]
    assert found.rpartition("&")[2].replace("%3D", "=").replace("%26", "&") == vector["normalizedParams"]
