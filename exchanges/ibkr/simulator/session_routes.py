"""Sign-in, brokerage session, keep-alive."""

from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route
from exchanges.ibkr.simulator.state import State


def tickle(state: State, _call: Call) -> object:
    return state.session.tickle()


def status(state: State, _call: Call) -> object:
    return state.session.status() | {"fail": ""}


def initialise(state: State, call: Call) -> object:
    """Both keys must be in a JSON body; `publish: false` ends in a bare 500, and so does a call in a downtime."""
    body = call.object()
    if body.get("publish") is not True or not isinstance(body.get("compete"), bool) or not state.session.connected:
        raise Refusal(500, {"error": "failed to generate sso dh token"})
    state.session.initialise(compete=body["compete"])
    if state.session.established:
        state.upstream.initialised()
    return state.session.status()


def validate(state: State, _call: Call) -> object:
    return state.session.validation()


def log_out(state: State, _call: Call) -> object:
    state.session.log_out(by_request=True)
    return {"status": True}


def reauthenticate(_state: State, _call: Call) -> object:
    """Deprecated, and without effect."""
    return {"message": "triggered"}


def unread(_state: State, _call: Call) -> object:
    return {"BN": 0}


INITIALISE = "/iserver/auth/ssodh/init"
ROUTES = (
    Route("GET POST", "/tickle", Needs.LOGIN, tickle),
    Route("GET POST", "/iserver/auth/status", Needs.LOGIN, status),
    Route("GET POST", INITIALISE, Needs.LOGIN, initialise),
    Route("GET", "/sso/validate", Needs.LOGIN, validate),
    Route("POST", "/logout", Needs.LOGIN, log_out),
    Route("GET POST", "/iserver/reauthenticate", Needs.LOGIN, reauthenticate),
    Route("GET", "/fyi/unreadnumber", Needs.LOGIN, unread),
)
