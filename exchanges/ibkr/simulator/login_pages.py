"""The pages on which a person signs in at the gateway, and a phone to approve on.

The form's names, its button and the words of success are those that login programs look for.
"""

from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, RedirectResponse, Response

from exchanges.ibkr.simulator.logins import MOST_FAILURES, LoginDesk, LoginPhase

LOGIN, DISPATCHER, PHONE = "/sso/Login", "/sso/Dispatcher", "/simulated/phone"
LOGIN_ADDRESS = f"{LOGIN}?forwardTo=22&RL=1&ip2loc=US"
NOT_FOUND = "<html><body><h1>Resource not found</h1></body></html>"
_SIGNED_IN = "<html><body><pre>Client login succeeds</pre></body></html>"
_MAINTENANCE = "<html><body><h1>System maintenance: please try again later</h1></body></html>"
_TOLD = {
    LoginPhase.REFUSED: "Login failed.",
    LoginPhase.MISSED: "The request on your phone was not answered in time: log in again.",
    LoginPhase.LOCKED: "This account is locked after too many failed logins.",
}
_FORM = """<html><body>{told}<form method="post" action="{action}">
<input name="username" type="text"><input name="password" type="password">
<button type="submit" class="btn btn-lg btn-primary">Login</button></form></body></html>"""
_WAITING = """<html><head><meta http-equiv="refresh" content="2;url={action}"></head>
<body><p class="waiting">A request was sent to your phone: approve it within {seconds:.0f} seconds.</p></body></html>"""
_PHONE = """<html><body>{told}<form method="post" action="{action}">
<button name="answer" value="approve">Approve</button><button name="answer" value="deny">Deny</button>
</form></body></html>"""


def page(desk: LoginDesk, method: str, path: str, body: bytes) -> Response:
    """The answer to a request outside of the API."""
    if path == "/":
        return RedirectResponse(LOGIN_ADDRESS, 302)
    if path == LOGIN:
        return _login(desk)
    if path == DISPATCHER:
        return _dispatched(desk, method, body)
    if path == PHONE:
        return _phone(desk, method, body)
    return HTMLResponse(NOT_FOUND, 404)


def _login(desk: LoginDesk) -> Response:
    if not desk.second_factor and not desk.is_locked:
        # Nobody has to prove anything: opening the page signs in.
        desk.start()
    return _shown(desk)


def _dispatched(desk: LoginDesk, method: str, body: bytes) -> Response:
    if method == "POST":
        form = _fields(body)
        desk.start(form.get("username", ""), form.get("password", ""))
    return _shown(desk)


def _shown(desk: LoginDesk) -> Response:
    phase = desk.phase
    if phase is LoginPhase.WAITING:
        return HTMLResponse(_WAITING.format(action=DISPATCHER, seconds=desk.seconds_left()))
    if phase is LoginPhase.SIGNED_IN:
        return HTMLResponse(_SIGNED_IN)
    if phase is LoginPhase.MAINTENANCE:
        return HTMLResponse(_MAINTENANCE, 503)
    told = ""
    if phase in _TOLD:
        told = f'<p class="error">{_TOLD[phase]} Failed logins: {desk.failures} of {MOST_FAILURES}.</p>'
    return HTMLResponse(_FORM.format(told=told, action=DISPATCHER))


def _phone(desk: LoginDesk, method: str, body: bytes) -> Response:
    if method == "POST":
        answer = _fields(body).get("answer")
        if answer == "approve":
            desk.approve()
        elif answer == "deny":
            desk.deny()
    if desk.phase is not LoginPhase.WAITING:
        return HTMLResponse(f"<html><body><p>Nothing to approve: {desk.phase}.</p></body></html>")
    told = f"<p>Login of the simulated user, {desk.seconds_left():.0f} seconds left.</p>"
    return HTMLResponse(_PHONE.format(told=told, action=PHONE))


def _fields(body: bytes) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
