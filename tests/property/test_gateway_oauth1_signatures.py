"""A signature made by Authlib's own base string is accepted by the simulated gateway, and fits nothing else."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from itertools import count
from urllib.parse import quote, urlencode

from authlib.oauth1.rfc5849.signature import construct_base_string
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import assume, given
from hypothesis import strategies as st

from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.asking import Ask
from exchanges.ibkr.simulator.calls import Refusal
from exchanges.ibkr.simulator.credentials import sample_oauth1_consumer
from exchanges.ibkr.simulator.oauth1_signatures import live_session_token
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000
HOST = "https://localhost:5000"
SAMPLE = sample_oauth1_consumer()
KNOWN = SAMPLE.registered
Pairs = Sequence[tuple[str, str]]

words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=6)
queries = st.lists(st.tuples(words, words), max_size=4)
paths = st.lists(words, min_size=1, max_size=3).map(
    lambda parts: "/v1/api/" + "/".join(quote(p, safe="") for p in parts)
)
methods = st.sampled_from(["GET", "POST", "DELETE"])
nonces = st.integers(0, 10**12).map(str)


class Gateway:
    """A gateway that nobody reaches by a network, with one live session token agreed on."""

    def __init__(self) -> None:
        clock = ScriptedClock(START * 1_000_000_000)
        self._access = Simulator(clock=clock, sign_in="oauth1", oauth1_consumers=[KNOWN], prompts=False).access
        self.token = self._agree()

    def admits(self, method: str, path: str, query: Pairs, header: str) -> bool:
        headers = {b"host": b"localhost:5000", b"user-agent": b"test", b"authorization": header.encode()}
        scope = {
            "type": "http",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": urlencode(query).encode(),
            "headers": list(headers.items()),
        }
        try:
            self._access.admit(Ask.of(scope))
        except Refusal as refusal:
            return refusal.status != 401
        return True

    def _agree(self) -> bytes:
        path = "/v1/api/oauth/live_session_token"
        parameters = parameters_of("RSA-SHA256", "first") | {
            "diffie_hellman_challenge": f"{pow(2, 5, KNOWN.dh_prime):x}"
        }
        text = KNOWN.prepend.hex() + construct_base_string("POST", HOST + path, list(parameters.items()))
        key = serialization.load_pem_private_key(SAMPLE.signature_key_pem.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signature = key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        endpoint = self._access.endpoint("POST", path)
        assert endpoint is not None
        headers = {"user-agent": "test", "authorization": header_of(parameters, signature)}
        said = endpoint(Ask(method="POST", url=HOST + path, query=(), headers=headers))
        assert isinstance(said, dict)
        return live_session_token(pow(int(said["diffie_hellman_response"], 16), 5, KNOWN.dh_prime), KNOWN.prepend)


NUMBERS = count()


def parameters_of(method: str, nonce: str, timestamp: int = START) -> dict[str, str]:
    return {
        "oauth_consumer_key": KNOWN.consumer_key,
        "oauth_nonce": nonce,
        "oauth_signature_method": method,
        "oauth_timestamp": str(timestamp),
        "oauth_token": KNOWN.access_token,
    }


def header_of(parameters: dict[str, str], signature: bytes) -> str:
    signed = parameters | {"oauth_signature": base64.b64encode(signature).decode()}
    pairs = ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in sorted(signed.items()))
    return f'OAuth realm="{KNOWN.realm}", {pairs}'


GATEWAY = Gateway()


def sign(method: str, path: str, query: Pairs, parameters: dict[str, str]) -> bytes:
    text = construct_base_string(method, HOST + path, [*parameters.items(), *query])
    return hmac.new(GATEWAY.token, text.encode(), hashlib.sha256).digest()


@given(methods, paths, queries, nonces)
def test_what_authlib_signs_is_accepted_once(method: str, path: str, query: Pairs, nonce: str) -> None:
    parameters = parameters_of("HMAC-SHA256", f"once{nonce}x{next(NUMBERS)}")
    header = header_of(parameters, sign(method, path, query, parameters))
    assert GATEWAY.admits(method, path, query, header)
    assert not GATEWAY.admits(method, path, query, header)


@given(st.data(), methods, paths, queries, nonces)
def test_a_signature_fits_no_request_that_differs_in_any_part(
    data: st.DataObject, method: str, path: str, query: Pairs, nonce: str
) -> None:
    parameters = parameters_of("HMAC-SHA256", f"other{nonce}")
    signature = sign(method, path, query, parameters)
    part = data.draw(st.sampled_from(["method", "path", "query", "nonce", "timestamp", "token", "signature"]))
    altered = dict(parameters)
    if part == "method":
        method = data.draw(methods.filter(lambda other: other != method))
    elif part == "path":
        path = data.draw(paths.filter(lambda other: other != path))
    elif part == "query":
        assume(query)
        place = data.draw(st.integers(0, len(query) - 1))
        name, value = query[place]
        changed = data.draw(words.filter(lambda other: other != value))
        query = [*query[:place], (name, changed), *query[place + 1 :]]
    elif part == "nonce":
        altered["oauth_nonce"] += "1"
    elif part == "timestamp":
        altered["oauth_timestamp"] = str(START + data.draw(st.integers(1, 299)))
    elif part == "token":
        altered["oauth_token"] = KNOWN.access_token[::-1]
    else:
        place = data.draw(st.integers(0, len(signature) - 1))
        signature = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
    assert not GATEWAY.admits(method, path, query, header_of(altered, signature))
