"""How far a sign-in to a gateway has come, as a small file: whoever starts a sign-in writes it, whoever waits reads it.

The gateway itself says nothing between "not signed in" and "signed in". A program that waits for it can only tell its
user what to do, and until when, if the program that started the sign-in has left word.
"""

import logging
import os
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from horizon.clock import NANOSECONDS, to_datetime
from horizon.directories import state_directory
from horizon.errors import ConfigurationError
from horizon.net.tls import is_loopback

STALE_AFTER = 24 * 3600 * NANOSECONDS
"""A sign-in lasts a day at most, so a note that is older says nothing about today's."""

_logger = logging.getLogger(__name__)


class LoginPhase(StrEnum):
    """How far a sign-in has come."""

    STARTED = "started"
    WAITING_FOR_SECOND_FACTOR = "waiting_for_second_factor"
    REFUSED = "refused"
    VERIFIED = "verified"


class LoginNote(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in. It holds nothing secret."""

    phase: LoginPhase
    since: int
    """Integer nanoseconds; when the phase began."""
    until: int | None = None
    """Integer nanoseconds; when the attempt ends if nothing more happens."""
    text: str = ""
    """What the person has to know about it, as one clause."""

    def waits(self, now: int) -> bool:
        """Whether the sign-in is still under way."""
        under_way = self.phase in (LoginPhase.STARTED, LoginPhase.WAITING_FOR_SECOND_FACTOR)
        return under_way and (self.until is None or now < self.until) and now - self.since < STALE_AFTER

    def action(self, now: int) -> str:
        """What a person has to do about it, as a clause; empty when nothing, or when the note is too old to say."""
        if now - self.since >= STALE_AFTER or self.phase is LoginPhase.VERIFIED:
            return ""
        if self.phase is LoginPhase.REFUSED:
            return self.text or "sign in again: the last attempt was refused"
        if not self.waits(now):
            return "sign in again: the last attempt was not approved in time"
        until = "" if self.until is None else f" until {to_datetime(self.until):%H:%M:%S} UTC"
        if self.phase is LoginPhase.WAITING_FOR_SECOND_FACTOR:
            return f"approve the sign-in on the phone{until}"
        return f"{self.text or 'finish the sign-in that was started'}{until}"


def note_file(base_url: str, directory: Path | None = None) -> Path:
    """Where the note about a gateway's sign-in lies. Every name of this machine means the same gateway."""
    address = urlsplit(base_url)
    host = address.hostname or ""
    name = "localhost" if is_loopback(host) else "".join(sign if sign.isalnum() else "-" for sign in host)
    port = address.port or (443 if address.scheme == "https" else 80)
    return (directory or state_directory() / "ibkr" / "logins") / f"{name}-{port}.json"


def read_login_note(base_url: str, directory: Path | None = None) -> LoginNote | None:
    """The note about a gateway's sign-in; None when there is none. A note that can't be read is logged, and is none:
    it must never be what keeps a session from being told."""
    file = note_file(base_url, directory)
    try:
        return msgspec.json.decode(file.read_bytes(), type=LoginNote)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        _logger.warning("the note about the sign-in at %s can't be read (%s)", file, type(error).__name__)
        return None


def write_login_note(base_url: str, note: LoginNote, directory: Path | None = None) -> None:
    """Leave word; a reader sees the old note or this one, never half of it. ConfigurationError when that fails."""
    file = note_file(base_url, directory)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(note)) + b"\n")
        fresh.replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"expected to write how far the sign-in has come to {file}: {error.strerror}; make its folder writable"
        ) from error
