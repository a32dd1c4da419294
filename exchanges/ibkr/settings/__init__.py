"""How a user says, once, how to sign in: profiles in a TOML file, and environment variables."""

from exchanges.ibkr.settings.choosing import Chosen, choose, settings_file
from exchanges.ibkr.settings.profile import Settings
from exchanges.ibkr.settings.secrets import SecretPlace
from exchanges.ibkr.settings.signing_in import auth_of, given, key_problems, of_connection

__all__ = [
    "Chosen",
    "SecretPlace",
    "Settings",
    "auth_of",
    "choose",
    "given",
    "key_problems",
    "of_connection",
    "settings_file",
]
