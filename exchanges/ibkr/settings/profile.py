"""What one profile of the settings may say."""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from exchanges.ibkr.rates import REQUESTS_PER_SECOND
from exchanges.ibkr.resets import REGIONS, Region
from exchanges.ibkr.session_table import COMPETE, Compete
from exchanges.ibkr.settings.secrets import Secret
from exchanges.ibkr.settings.typos import nearest
from horizon.errors import ConfigurationError

Way = Literal["gateway", "oauth2", "oauth1", "bearer"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)

_COMMON: Final = frozenset(
    {
        "auth", "url", "account_id", "region", "compete", "certificate", "accept_stock_certificate", "hosts",
        "requests_per_second", "hold_orders_over_reset",
    }
)  # fmt: skip
OF_WAY: Final[Mapping[Way, frozenset[str]]] = {
    "gateway": frozenset(),
    "oauth2": frozenset(
        {"client_id", "key_id", "key_file", "key_keyring", "key_passphrase", "username", "ip", "audience"}
    ),
    "oauth1": frozenset(
        {
            "consumer_key", "access_token", "access_token_secret", "signature_key_file", "signature_key_passphrase",
            "encryption_key_file", "encryption_key_passphrase", "dh_file", "realm",
        }
    ),
    "bearer": frozenset({"access_token", "variable"}),
}  # fmt: skip
"""The keys that mean something to one way of signing in only."""
SECRETS: Final = frozenset(
    {"access_token", "access_token_secret", "key_passphrase", "signature_key_passphrase", "encryption_key_passphrase"}
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One profile: how to sign in, and what to sign in to. What is absent is as `InteractiveBrokers` has it."""

    auth: Way | None = None
    """None: a gateway on this machine, or the bearer of IBKR_ACCESS_TOKEN at any other address."""
    url: str | None = None
    account_id: str | None = None
    region: Region = "US"
    compete: Compete = "never"
    certificate: str | None = None
    accept_stock_certificate: bool = False
    hosts: tuple[str, ...] = ()
    requests_per_second: int = REQUESTS_PER_SECOND
    hold_orders_over_reset: bool = False
    # OAuth 2.0
    client_id: str | None = None
    key_id: str | None = None
    key_file: str | None = None
    key_keyring: str | None = None
    key_passphrase: Secret | None = None
    username: str | None = None
    ip: str | None = None
    audience: str | None = None
    # OAuth 1.0a, and the token of a bearer
    consumer_key: str | None = None
    access_token: Secret | None = None
    access_token_secret: Secret | None = None
    signature_key_file: str | None = None
    signature_key_passphrase: Secret | None = None
    encryption_key_file: str | None = None
    encryption_key_passphrase: Secret | None = None
    dh_file: str | None = None
    realm: str | None = None
    variable: str | None = None
    """The environment variable with the bearer token."""

    def __repr__(self) -> str:
        return f"Settings(auth={self.auth!r}, url={self.url!r}, account_id={self.account_id!r})"


KEYS: Final = tuple(field.name for field in msgspec.structs.fields(Settings))
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "auth": WAYS,
    "region": REGIONS,
    "compete": COMPETE,
}


def settings_of(table: Mapping[str, Any], where: str) -> Settings:
    """A profile as it was written. ConfigurationError says in one sentence what is wrong, and the nearest right word.

    No value of the table is quoted, unless it is one of a few words.
    """
    for key in table:
        if key not in KEYS:
            raise ConfigurationError(f"{where}: {key!r} is no setting: {nearest(key, KEYS)}")
    for key, words in _CHOICES.items():
        if key in table and table[key] not in words:
            found = table[key]
            hint = nearest(found, words) if isinstance(found, str) else f"use one of {', '.join(words)}"
            raise ConfigurationError(
                f"{where}: expected {key} to be one of {', '.join(words)}, found {found!r}: {hint}"
            )
    way: Way | None = table.get("auth")
    for key in table:
        if key not in _COMMON and (way is None or key not in OF_WAY[way]):
            owners = " or ".join(f'"{each}"' for each in WAYS if key in OF_WAY[each])
            found = "no auth" if way is None else f'auth = "{way}"'
            raise ConfigurationError(
                f"{where}: {key} goes with auth = {owners}, found {found}: correct auth, or leave {key} out"
            )
    for key in sorted(SECRETS & table.keys()):
        _check_secret(table[key], key, where)
    try:
        return msgspec.convert(table, Settings)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{where}: {str(error).replace('$.', '')}: correct it") from None


def _check_secret(value: object, key: str, where: str) -> None:
    right = f'{key} = {{ keyring = "SERVICE/NAME" }}, {{ variable = "NAME" }} or {{ file = "PATH" }}'
    if isinstance(value, Mapping):
        places = ("keyring", "variable", "file")
        for name in value:
            if name not in places:
                raise ConfigurationError(f"{where}: {name!r} is no place of {key}: {nearest(str(name), places)}")
        if len(value) == 1 and all(isinstance(each, str) and each for each in value.values()):
            return
    elif isinstance(value, str):
        return
    raise ConfigurationError(f"{where}: expected {right}, found something else: write one of these")
