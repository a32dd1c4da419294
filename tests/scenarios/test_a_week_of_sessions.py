"""The short form of the soak `session-week`: a night with maintenance, a reset and every trouble of the week."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from horizon.model import SessionState

SOAK = Path(__file__).resolve().parents[1] / "soak"


@pytest.fixture
def weeks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the soak."""
    monkeypatch.syspath_prepend(str(SOAK))
    return lambda name: import_module(f"weeks.{name}")


@pytest.mark.parametrize("mode", ["oauth2", "oauth1", "gateway"])
async def test_a_night_of_troubles_ends_signed_in_with_every_promise_kept(weeks: Any, mode: str) -> None:
    night = await weeks("play").play(weeks("plan").short(mode, seed=1), polls_every=120.0, looks_every=7200.0)
    assert night.broken == []
    assert night.line["signed_in"] is True
    assert night.line["rate_limited_forced"] == 1
    assert night.line["human_logins"] == (2 if mode == "gateway" else 0)
    the_verdict_notices_what_is_told_too_rarely_and_too_often(weeks("verdict"), night)


def the_verdict_notices_what_is_told_too_rarely_and_too_often(verdict: Any, night: Any) -> None:
    told: list[SessionState] = night.states

    def broken(states: list[SessionState], leaked_tasks: int = 0) -> str:
        known = verdict.Told(states=states, leaked_tasks=leaked_tasks)
        return "\n".join(verdict.broken_promises(night.plan, night.gateway, known))

    longest = max(verdict.told_outages(night.plan, told), key=lambda each: each.end - each.begin)
    within = [state for state in told if longest.begin <= state.time < longest.end]
    back = next(state for state in told if state.time == longest.end)
    assert "told 0 times instead of once" in broken([state for state in told if state not in within])
    assert "told 2 times instead of once" in broken([*_until(told, within[0]), back, *_from(told, within[0])])
    assert "restored late" in broken([state for state in told if state.time < longest.end] + [told[-1]])
    assert "told twice in a row" in broken([*told, told[-1]])
    assert "not signed in at the end" in broken([*told, within[0]])
    assert "tasks were left behind" in broken(told, leaked_tasks=2)


def _until(told: list[SessionState], state: SessionState) -> list[SessionState]:
    return told[: told.index(state) + 1]


def _from(told: list[SessionState], state: SessionState) -> list[SessionState]:
    return told[told.index(state) :]
