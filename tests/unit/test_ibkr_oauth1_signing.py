"""What OAuth 1.0a signs, written out."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from exchanges.ibkr.auth import PrivateKey
from exchanges.ibkr.auth.oauth1_signing import authorization, base_string, hmac_signature, rsa_signature


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.ibkr.com/v1/api/tickle", "https%3A%2F%2Fapi.ibkr.com%2Fv1%2Fapi%2Ftickle&oauth_nonce%3Dn"),
        ("HTTPS://API.IBKR.COM:443/A", "https%3A%2F%2Fapi.ibkr.com%2FA&oauth_nonce%3Dn"),
        ("https://api.ibkr.com", "https%3A%2F%2Fapi.ibkr.com%2F&oauth_nonce%3Dn"),
        ("http://localhost:80/a", "http%3A%2F%2Flocalhost%2Fa&oauth_nonce%3Dn"),
        ("https://localhost:5000/a", "https%3A%2F%2Flocalhost%3A5000%2Fa&oauth_nonce%3Dn"),
        ("https://[::1]:5000/a", "https%3A%2F%2F%5B%3A%3A1%5D%3A5000%2Fa&oauth_nonce%3Dn"),
        ("https://x/a%20b?z=1#part", "https%3A%2F%2Fx%2Fa%2520b&oauth_nonce%3Dn%26z%3D1"),
        ("https://x/a?conids=2,1&fields=31", "https%3A%2F%2Fx%2Fa&conids%3D2%252C1%26fields%3D31%26oauth_nonce%3Dn"),
        ("https://x/a?b=2&b=10&a=", "https%3A%2F%2Fx%2Fa&a%3D%26b%3D10%26b%3D2%26oauth_nonce%3Dn"),
        ("https://x/a?q=BRK%20B&&r=%C3%84", "https%3A%2F%2Fx%2Fa&oauth_nonce%3Dn%26q%3DBRK%2520B%26r%3D%25C3%2584"),
    ],
)
def test_the_address_and_the_query_are_normalised(url: str, expected: str) -> None:
    assert base_string("get", url, {"oauth_nonce": "n"}) == f"GET&{expected}"


def test_the_prepend_stands_before_the_text_that_the_key_signs() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    found = base64.b64decode(rsa_signature(PrivateKey(key), b"\x00\xab\xff", "POST&x&y"), validate=True)
    key.public_key().verify(found, b"00abffPOST&x&y", padding.PKCS1v15(), SHA256())


def test_the_signature_of_a_request_is_the_known_one() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert base64.b64decode(hmac_signature(b"Jefe", "what do ya want for nothing?")).hex() == expected


def test_a_header_is_written_as_the_reference_shows_it() -> None:
    assert authorization("limited_poa", {"oauth_token": "t", "oauth_signature": "a+b/c=", "oauth_nonce": "n"}) == (
        'OAuth realm="limited_poa", oauth_nonce="n", oauth_signature="a%2Bb%2Fc%3D", oauth_token="t"'
    )
