"""Each row of the session's table, asked for by what was seen and by what was done before."""

from typing import Any

import pytest

from exchanges.ibkr.session_table import (
    MOST_INITS,
    MOST_QUESTIONS,
    TABLE,
    Action,
    Doubt,
    Row,
    Seen,
    Standing,
    compete_of,
    judge,
)
from horizon.errors import ConfigurationError
from horizon.model import SessionTier

TOKEN, GATEWAY, BROKERAGE = SessionTier.TOKEN, SessionTier.GATEWAY, SessionTier.BROKERAGE
OAUTH = {"person_signs_in": False}
ASKED = {"asked": 1}

CASES: list[tuple[Seen, dict[str, Any], Action, SessionTier | None]] = [
    (Seen.NOTHING_YET, {}, Action.ASK, None),
    # the gate
    (Seen.ESTABLISHED, {}, Action.ASK, None),
    (Seen.ESTABLISHED, ASKED, Action.GO_ON, None),
    (Seen.ESTABLISHED, {**ASKED, "doubt": Doubt.NO_BRIDGE}, Action.INIT, BROKERAGE),
    (Seen.ESTABLISHED, {**ASKED, "doubt": Doubt.UNAUTHORIZED}, Action.INIT, BROKERAGE),
    (Seen.ESTABLISHED, {**ASKED, "inits": 1, "doubt": Doubt.NO_BRIDGE}, Action.GO_ON, None),
    (Seen.ESTABLISHED, {**ASKED, "doubt": Doubt.NO_BRIDGE, "recently_opened": True}, Action.INIT, BROKERAGE),
    (
        Seen.ESTABLISHED,
        {**ASKED, **OAUTH, "doubt": Doubt.UNAUTHORIZED, "recently_opened": True},
        Action.RENEW,
        BROKERAGE,
    ),
    (Seen.ESTABLISHED, {**ASKED, "doubt": Doubt.UNAUTHORIZED, "recently_opened": True}, Action.GO_ON, None),
    # gone
    (Seen.NOT_ESTABLISHED, {}, Action.ASK, BROKERAGE),
    (Seen.NOT_ESTABLISHED, ASKED, Action.INIT, BROKERAGE),
    (Seen.NOT_ESTABLISHED, {"asked": 2, "inits": 1}, Action.ASK, BROKERAGE),
    (Seen.NOT_ESTABLISHED, {"asked": MOST_QUESTIONS, "inits": 1}, Action.WAIT, BROKERAGE),
    (Seen.NOT_CONNECTED, {}, Action.ASK, BROKERAGE),
    (Seen.NOT_CONNECTED, ASKED, Action.INIT, BROKERAGE),
    (Seen.NOT_CONNECTED, {"asked": 2, "inits": 1}, Action.ASK, BROKERAGE),
    (Seen.NOT_CONNECTED, {"asked": MOST_QUESTIONS, "inits": 1}, Action.WAIT, BROKERAGE),
    (Seen.INIT_FAILED, {"connected": True}, Action.WAIT, BROKERAGE),
    (Seen.INIT_FAILED, {"connected": True, "opening": True, "inits": 1}, Action.INIT, BROKERAGE),
    (Seen.INIT_FAILED, {"connected": True, "opening": True, "inits": 1, "took": True}, Action.TAKE_OVER, BROKERAGE),
    (Seen.INIT_FAILED, {"connected": True, "opening": True, "inits": MOST_INITS}, Action.WAIT, BROKERAGE),
    (Seen.INIT_FAILED, {}, Action.WAIT, GATEWAY),
    (Seen.INIT_FAILED, OAUTH, Action.RENEW, GATEWAY),
    (Seen.INIT_FAILED, {**OAUTH, "renewed": True}, Action.WAIT, GATEWAY),
    (Seen.NO_ACCOUNTS, {}, Action.WAIT, BROKERAGE),
    # another program
    (Seen.COMPETING, {}, Action.ASK, BROKERAGE),
    (Seen.COMPETING, ASKED, Action.WAIT, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "ours": True}, Action.TAKE_OVER, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "ours": True, "took": True}, Action.WAIT, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "compete": "once"}, Action.TAKE_OVER, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "compete": "once", "taken": 1}, Action.WAIT, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "compete": "always", "taken": 7}, Action.TAKE_OVER, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "compete": "always", "may_take": False}, Action.WAIT, BROKERAGE),
    (Seen.COMPETING, {**ASKED, "compete": "always", "took": True}, Action.WAIT, BROKERAGE),
    # the sign-in
    (Seen.SIGNED_OUT, {}, Action.WAIT, GATEWAY),
    (Seen.SIGNED_OUT, OAUTH, Action.RENEW, GATEWAY),
    (Seen.SIGNED_OUT, {**OAUTH, "renewed": True}, Action.WAIT, GATEWAY),
    (Seen.NO_TOKEN, OAUTH, Action.WAIT, TOKEN),
    (Seen.NOT_ACTIVE, OAUTH, Action.WAIT, TOKEN),
    # nothing is known
    (Seen.NO_ANSWER, {}, Action.WAIT, GATEWAY),
    (Seen.UNREADABLE, {}, Action.WAIT, GATEWAY),
    (Seen.BLOCKED, {}, Action.WAIT, GATEWAY),
    (Seen.REFUSED, {}, Action.WAIT, GATEWAY),
    (Seen.MISCONFIGURED, {}, Action.WAIT, GATEWAY),
    (Seen.DEFECT, {}, Action.WAIT, GATEWAY),
]


@pytest.mark.parametrize(("seen", "standing", "action", "down"), CASES)
def test_what_was_seen_leads_to_one_action(
    seen: Seen, standing: dict[str, Any], action: Action, down: SessionTier | None
) -> None:
    row = judge(seen, Standing(**standing))
    assert (row.action, row.down) == (action, down)


def test_every_row_is_reached() -> None:
    reached = [judge(seen, Standing(**standing)) for seen, standing, _, _ in CASES]
    missed = [f"{row.seen.name} {row.when.__name__}" for row in TABLE if not _is_in(row, reached)]
    assert missed == []


def _is_in(row: Row, rows: list[Row]) -> bool:
    return any(row is other for other in rows)


def test_every_observation_ends_in_a_row_that_always_holds() -> None:
    for seen in Seen:
        *_, last = (row for row in TABLE if row.seen is seen)
        assert last.when.__name__ == "always", seen


def test_the_gate_is_the_only_way_up() -> None:
    assert {row.seen for row in TABLE if row.action is Action.GO_ON} == {Seen.ESTABLISHED}


def test_a_brokerage_session_is_opened_only_after_the_status_was_asked() -> None:
    for seen in (Seen.NOT_ESTABLISHED, Seen.NOT_CONNECTED, Seen.COMPETING, Seen.ESTABLISHED):
        for doubt in (None, *Doubt):
            assert judge(seen, Standing(compete="always", ours=True, doubt=doubt)).action is Action.ASK


@pytest.mark.parametrize("value", [True, False, None, "sometimes", 1])
def test_a_policy_that_is_none_is_refused_with_the_three_that_are(value: object) -> None:
    with pytest.raises(ConfigurationError, match='"never", "once" or "always"'):
        compete_of(value)
