"""Nothing secret is left in text that people see."""

from io import StringIO

import pytest
from rich.console import Console

from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.session import Tickle
from horizon.net.redaction import MASK, extract, redact, redact_headers

SECRET = "s3cr3t-Value_0123456789"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJob3Jpem9uIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"session":"{SECRET}","ssoExpires":1}}',
        f'{{"access_token" : "{SECRET}"}}',
        f'{{\\"session\\": \\"{SECRET}\\"}}',
        f'{{"session":"{SECRET}',
        f"Authorization: Bearer {SECRET}",
        f"authorization: Bearer {SECRET}\r\nHost: localhost",
        f"'Authorization': 'Bearer {SECRET}'",
        f"Cookie: api={SECRET}; x-sess-uuid=0.{SECRET}",
        f"Set-Cookie: x-sess-uuid=0.{SECRET}; secure; HttpOnly",
        f"wss://localhost:5000/v1/api/ws?bearer_token={SECRET}&x=1",
        f"Tickle(session='{SECRET}', userId=12345)",
        f"password={SECRET}",
        f"sent with bearer {SECRET}",
        f'OAuth realm="limited_poa", oauth_token="{SECRET}", oauth_signature="{SECRET}"',
        f'{{"displayName":"{SECRET}","accountTitle":"{SECRET}"}}',
        f'{{"live_session_token_signature":"{SECRET}"}}',
        f"client_assertion={SECRET}&scope=sso-sessions.write",
        f'{{"credential":"{SECRET}","ip":"203.0.113.7"}}',
        f"OAuth1(access_token_secret='{SECRET}', passphrase='{SECRET}')",
        f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{SECRET}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
    ],
)
def test_a_planted_secret_does_not_survive(text: str) -> None:
    assert SECRET not in redact(text)
    assert SECRET not in extract(text)
    assert SECRET not in extract(text.encode())
    assert MASK in redact(text)


def test_a_token_is_known_by_its_shape() -> None:
    assert redact(f"found {JWT} there") == f"found {MASK} there"


def test_a_number_that_names_a_person_is_masked() -> None:
    assert redact('{"userId":123456789,"conid":756733}') == f'{{"userId":"{MASK}","conid":756733}}'


@pytest.mark.parametrize(
    "text",
    [
        "OrderID 1 doesn't exist",
        "Expected `int`, got `str` - at `$[0].conid`",
        "no session",
        '{"authenticated":true,"competing":false}',
        "We cannot accept an order at the limit price you selected.",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_an_extract_is_one_short_line() -> None:
    shown = extract("a\nb\t c " * 100)
    assert len(shown) == 200
    assert "\n" not in shown
    assert shown.endswith("...")


def test_an_extract_is_cut_after_redaction() -> None:
    text = "x" * 150 + f'"session":"{SECRET * 10}"'
    assert SECRET[:8] not in extract(text)


def test_bytes_that_are_no_text_still_make_an_extract() -> None:
    assert "�" in extract(b"\xff\xfe")


def test_headers_lose_the_values_of_secret_ones() -> None:
    shown = redact_headers({"Authorization": f"Bearer {SECRET}", "COOKIE": SECRET, "Accept": "*/*"})
    assert shown == {"Authorization": MASK, "COOKIE": MASK, "Accept": "*/*"}


def test_an_answer_that_holds_a_secret_shows_it_nowhere() -> None:
    tickle = Tickle(session=SECRET, ssoExpires=5)
    account = PortfolioAccount(accountId="DU1", accountTitle=SECRET, displayName=SECRET)
    console = Console(file=StringIO(), width=200, record=True)
    console.print(tickle, account)
    for shown in (repr(tickle), str(account), f"{[tickle, account]}", console.export_text()):
        assert SECRET not in shown
        assert MASK in shown
    assert "ssoExpires=5" in repr(tickle)
