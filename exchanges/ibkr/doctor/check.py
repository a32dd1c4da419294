"""One thing that was looked at."""

from enum import StrEnum
from typing import Final

import msgspec

from horizon.errors import HorizonError
from horizon.net.redaction import redact

_AS_SAID: Final = "see to that, then look again"


class Result(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what to do about it. It holds nothing secret."""

    name: str
    result: Result
    found: str
    action: str = ""


def ok(name: str, found: str) -> Check:
    """It is as it should be."""
    return Check(name=name, result=Result.OK, found=found)


def warning(name: str, found: str, action: str) -> Check:
    """It works, and should be seen to."""
    return Check(name=name, result=Result.WARNING, found=found, action=action)


def failed(name: str, found: str, action: str) -> Check:
    """No order can be sent, or a program can't be started, before this is seen to."""
    return Check(name=name, result=Result.FAILED, found=found, action=action)


def skipped(name: str, why: str) -> Check:
    """It was not looked at."""
    return Check(name=name, result=Result.SKIPPED, found=why)


def of_error(name: str, error: HorizonError, result: Result = Result.FAILED) -> Check:
    """An error's text is `what is wrong: what to do`."""
    text = redact(str(error))
    found, colon, action = text.rpartition(": ")
    return Check(name=name, result=result, found=found if colon else text, action=action if colon else _AS_SAID)
