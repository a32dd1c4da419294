"""Who asks: a bearer, or nobody because the gateway signs."""

import pytest

from exchanges.ibkr.auth import Auth, Bearer, LocalGateway
from horizon.errors import ConfigurationError

TOKEN = "abc.DEF-123_456"


async def test_a_bearer_is_sent_and_never_shown() -> None:
    bearer: Auth = Bearer(TOKEN)
    assert await bearer.headers("GET", "https://api.ibkr.com/v1/api/tickle") == {"Authorization": f"Bearer {TOKEN}"}
    assert TOKEN not in f"{bearer!r} {bearer}"
    assert not bearer.person_signs_in


async def test_a_bearer_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBKR_ACCESS_TOKEN", f" {TOKEN}\n")
    assert await Bearer().headers("GET", "") == {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("token", ["", "   ", "two words", "with\nnewline", "smörgås"])
def test_a_token_that_can_not_be_one_is_refused_without_being_shown(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IBKR_ACCESS_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="IBKR_ACCESS_TOKEN") as error:
        Bearer(token)
    if token.strip():
        assert token not in str(error.value)


async def test_a_placeholder_for_the_gateway_on_this_machine_is_accepted_and_never_sent() -> None:
    gateway: Auth = LocalGateway("any placeholder")
    assert await gateway.headers("GET", "https://localhost:5000/v1/api/tickle") == {}
    assert "placeholder" not in repr(gateway)
    assert gateway.person_signs_in
