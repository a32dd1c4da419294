"""The way of signing in that a profile describes, with its keys read from where they lie."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exchanges.ibkr.auth.bearer import Bearer
from exchanges.ibkr.auth.diffie_hellman import DiffieHellman
from exchanges.ibkr.auth.keys import PrivateKey
from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.oauth1 import OAuth1
from exchanges.ibkr.auth.oauth2 import OAuth2
from exchanges.ibkr.auth.oauth2_refusals import SHORT_AUDIENCE
from exchanges.ibkr.auth.protocol import Auth
from exchanges.ibkr.settings.profile import Settings
from exchanges.ibkr.settings.secrets import Secret, keyring_names, secret_text
from horizon.errors import ConfigurationError


def auth_of(settings: Settings) -> Auth | None:
    """How to sign in; None where the settings leave it to the address. Raises ConfigurationError, without a secret."""
    match settings.auth:
        case None:
            return None
        case "gateway":
            return LocalGateway()
        case "oauth2":
            return _oauth2(settings)
        case "oauth1":
            return _oauth1(settings)
        case "bearer":
            return _bearer(settings)


def given(settings: Settings, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `InteractiveBrokers`, and of `connection`, that a profile stands for; `overrides` go first.

    An override of None says nothing. One that names who signs in takes the place of the profile's own way.
    """
    said = {name: value for name, value in overrides.items() if value is not None}
    arguments: dict[str, Any] = {
        "api_url": settings.url,
        "account_id": settings.account_id,
        "region": settings.region,
        "compete": settings.compete,
        "certificate": settings.certificate,
        "accept_stock_certificate": settings.accept_stock_certificate,
        "hosts": settings.hosts,
        "requests_per_second": settings.requests_per_second,
        "hold_orders_over_reset": settings.hold_orders_over_reset,
    }
    if not {"auth", "access_token"} & said.keys():
        arguments["auth"] = auth_of(settings)
    return arguments | said


def of_connection(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments that say how to reach the venue, and not what to do there."""
    others = {"account_id", "region", "compete", "hold_orders_over_reset"}
    return {name: value for name, value in arguments.items() if name not in others}


def key_problems(settings: Settings) -> dict[str, ConfigurationError]:
    """What is wrong with each key or secret of a profile that can't be read, by its name in the settings."""
    readers: dict[str, Callable[[], object]] = {}
    if settings.auth == "oauth2":
        readers = {"key": lambda: _key_of_oauth2(settings)}
    elif settings.auth == "oauth1":
        readers = {
            "signature_key": lambda: _key(settings, "signature_key"),
            "encryption_key": lambda: _key(settings, "encryption_key"),
            "dh_file": lambda: DiffieHellman.from_file(_given(settings, "dh_file")),
            "access_token": lambda: _secret(settings, "access_token"),
            "access_token_secret": lambda: _secret(settings, "access_token_secret"),
        }
    elif settings.auth == "bearer" and settings.access_token is not None:
        readers = {"access_token": lambda: _secret(settings, "access_token")}
    problems = {}
    for name, read in readers.items():
        try:
            read()
        except ConfigurationError as error:
            problems[name] = error
    return problems


def _oauth2(settings: Settings) -> OAuth2:
    return OAuth2(
        client_id=_given(settings, "client_id"),
        key_id=_given(settings, "key_id"),
        username=_given(settings, "username"),
        ip=_given(settings, "ip"),
        key=_key_of_oauth2(settings),
        audience=settings.audience or SHORT_AUDIENCE,
    )


def _oauth1(settings: Settings) -> OAuth1:
    return OAuth1(
        consumer_key=_given(settings, "consumer_key"),
        access_token=_secret(settings, "access_token"),
        access_token_secret=_secret(settings, "access_token_secret"),
        signature_key=_key(settings, "signature_key"),
        encryption_key=_key(settings, "encryption_key"),
        dh=DiffieHellman.from_file(_given(settings, "dh_file")),
        realm=settings.realm,
    )


def _bearer(settings: Settings) -> Bearer:
    place = settings.access_token
    if place is None:
        return Bearer(variable=settings.variable)
    is_variable = not isinstance(place, str) and place.variable is not None
    if settings.variable is not None and is_variable:
        return Bearer(variable=settings.variable)
    if settings.variable is not None:
        raise ConfigurationError("expected access_token or variable in the settings, found both: leave one out")
    if not isinstance(place, str) and place.variable:
        # read again when the venue refuses it
        return Bearer(variable=place.variable)
    return Bearer(secret_text("access_token", place))


def _key_of_oauth2(settings: Settings) -> PrivateKey:
    passphrase = _passphrase("key_passphrase", settings.key_passphrase)
    if settings.key_keyring is None:
        return PrivateKey.from_file(Path(_given(settings, "key_file")), passphrase)
    if settings.key_file is not None:
        raise ConfigurationError("expected key_file or key_keyring in the settings, found both: leave one out")
    return PrivateKey.from_keyring(*keyring_names("key_keyring", settings.key_keyring), passphrase)


def _key(settings: Settings, name: str) -> PrivateKey:
    passphrase = _passphrase(f"{name}_passphrase", getattr(settings, f"{name}_passphrase"))
    return PrivateKey.from_file(Path(_given(settings, f"{name}_file")), passphrase)


def _passphrase(name: str, secret: Secret | None) -> str | None:
    return None if secret is None else secret_text(name, secret)


def _secret(settings: Settings, name: str) -> str:
    secret: Secret | None = getattr(settings, name)
    if secret is None:
        raise _missing(settings, name)
    return secret_text(name, secret)


def _given(settings: Settings, name: str) -> str:
    value: str | None = getattr(settings, name)
    if not value:
        raise _missing(settings, name)
    return value


def _missing(settings: Settings, name: str) -> ConfigurationError:
    return ConfigurationError(
        f'expected {name} in the settings, because auth = "{settings.auth}" needs it, found none: add it to the '
        f"profile, or set IBKR_{name.upper()}"
    )
