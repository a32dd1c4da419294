"""The options of InteractiveBrokers that need no network: what is refused in one sentence, and what is chosen."""

from typing import Any

import pytest

from exchanges import InteractiveBrokers
from exchanges.ibkr.auth import Bearer
from exchanges.ibkr.confirmations import OptIn, Policy
from horizon.errors import ConfigurationError
from horizon.simulation.scripted_clock import ScriptedClock


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"compete": True}, '"never", "once" or "always"'),
        ({"compete": "sometimes"}, "found 'sometimes'"),
        ({"region": "Mars"}, "US, Europe, Asia"),
        ({"suppress": ["o999999"]}, "expected one of the known message ids"),
        ({"suppress": ["o163"]}, "it is refused by default"),
        ({"suppress": ["o2137"]}, "it is refused by default"),
        ({"suppress": ["o451"], "accept": {"o451": OptIn(max_value=1)}}, "your own limit for it could not be checked"),
        ({"suppress": ["o10151"] * 52}, "at most 51"),
        ({"auth": Bearer("one"), "access_token": "two"}, "found both"),
    ],
)
def test_an_option_that_can_not_be_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        InteractiveBrokers(**options)


def test_suppressed_are_those_that_would_be_accepted_anyway() -> None:
    policy = Policy({"o354": "seen elsewhere"})
    assert policy.suppressible(["o10151", "o354", "o10151"]) == ("o10151", "o354")


def test_a_token_of_ones_own_leads_to_the_venue_itself_and_its_numbered_hosts() -> None:
    clock = ScriptedClock(1_763_478_000_000_000_000)
    status = InteractiveBrokers(auth=Bearer("one"), clock=clock).status()
    assert (status.base_url, status.signs_in) == ("https://api.ibkr.com", "Bearer")
    assert InteractiveBrokers(clock=clock).status().base_url == "https://localhost:5000"
    assert status.compete == "never"
    assert status.region == "US"
    assert not status.state.ready
