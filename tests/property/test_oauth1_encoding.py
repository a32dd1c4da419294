"""Percent-encoding, base strings and key bytes of OAuth 1.0a, against other implementations."""

import base64
import hmac
import re
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote

from authlib.oauth1.rfc5849.signature import construct_base_string
from authlib.oauth1.rfc5849.util import escape
from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.auth.diffie_hellman import signed_bytes
from exchanges.ibkr.auth.oauth1_signing import authorization, base_string, hmac_signature, percent_encoded

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
PATHS = st.lists(TEXT.map(lambda text: quote(text, safe="")), max_size=4).map(lambda parts: "/".join(["", *parts]))
HOSTS = st.sampled_from(
    ["https://api.ibkr.com", "https://API.ibkr.com:443", "http://localhost:5000", "https://127.0.0.1:5000"]
)
OAUTH = st.dictionaries(st.sampled_from(["oauth_nonce", "oauth_timestamp", "oauth_token"]), st.from_regex("[a-z0-9]+"))


@given(st.integers(min_value=1, max_value=2**4096))
def test_key_bytes_are_as_long_as_their_sign_needs(number: int) -> None:
    found = signed_bytes(number)
    assert int.from_bytes(found, "big", signed=True) == number
    assert len(found) == number.bit_length() // 8 + 1
    assert (found[0] == 0) == (number.bit_length() % 8 == 0)


@given(st.integers(min_value=1, max_value=300), st.integers(min_value=0))
def test_a_number_of_whole_bytes_gets_a_zero_byte_before_it(size: int, low: int) -> None:
    number = 1 << (8 * size - 1) | low % (1 << (8 * size - 1))
    assert signed_bytes(number) == b"\x00" + number.to_bytes(size, "big")


@given(TEXT)
def test_encoded_text_comes_back_and_holds_unreserved_characters_only(text: str) -> None:
    encoded = percent_encoded(text)
    assert unquote(encoded, errors="strict") == text
    assert re.fullmatch(r"([A-Za-z0-9._~-]|%[0-9A-F]{2})*", encoded)
    assert encoded == escape(text)
    assert re.sub("%..", "", encoded) == re.sub(r"[^A-Za-z0-9._~-]", "", text)


@given(
    st.sampled_from(["get", "GET", "POST", "DELETE"]),
    HOSTS,
    PATHS,
    st.lists(st.tuples(NAMES, TEXT), max_size=5),
    OAUTH,
    st.sampled_from(["", ",:;@", "/?:@!$'()*,;~"]),
)
def test_a_base_string_is_the_one_of_another_implementation(
    method: str, host: str, path: str, query: list[tuple[str, str]], oauth: dict[str, str], left_bare: str
) -> None:
    written = "&".join(f"{quote(name, safe='')}={quote(value, safe=left_bare)}" for name, value in query)
    found = base_string(method, f"{host}{path}?{written}" if query else host + path, oauth)
    assert found == construct_base_string(method, host + path, [*query, *oauth.items()])


@given(st.lists(st.sampled_from(["a=1", "a=2", "a=10", "a", "a=", "b=+", "b=%20", "b=%2B", "A=1", "a%20b=c", "a-b=c"])))
def test_parameters_are_decoded_as_a_form_and_sorted_by_name_and_value(pairs: list[str]) -> None:
    query = "&".join(pairs)
    found = base_string("GET", f"https://api.ibkr.com/x?{query}", {"oauth_nonce": "n"})
    decoded = parse_qsl(query, keep_blank_values=True)
    assert found == construct_base_string("GET", "https://api.ibkr.com/x", [*decoded, ("oauth_nonce", "n")])


@given(st.binary(min_size=20, max_size=20), TEXT)
def test_a_signature_is_the_hmac_of_the_whole_text(key: bytes, text: str) -> None:
    expected = hmac.new(key, text.encode(), sha256).digest()
    assert base64.b64decode(hmac_signature(key, text), validate=True) == expected


@given(st.dictionaries(st.sampled_from(["oauth_signature", "oauth_nonce", "diffie_hellman_challenge"]), TEXT))
def test_a_header_names_the_realm_first_and_encodes_every_value_once(parameters: dict[str, str]) -> None:
    header = authorization("limited_poa", parameters)
    names = re.findall(r'([a-z_]+)="', header)
    assert names == ["realm", *sorted(parameters)]
    assert header.startswith('OAuth realm="limited_poa", ')
    for name, value in parameters.items():
        assert f'{name}="{escape(value)}"' in header
