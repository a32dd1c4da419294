"""A strategy's own state: what `ctx.state` holds, and when it has to be saved. Pure.

It is saved as JSON with the journal lines of the event in which it changed, so that after a crash a strategy knows
neither more nor less than its orders tell. With orders at several exchanges in one event, each journal gets it, and
the highest revision counts.
"""

from typing import Any

import msgspec

from horizon.errors import ConfigurationError
from horizon.strategy import Strategy

MOST_BYTES = 64 * 1024
"""It is written anew with every change, and waits on the way of every order it belongs to."""

_encode = msgspec.json.Encoder().encode


class SavedState(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of a journal line `state`."""

    revision: int
    state: msgspec.Raw


class StateKeeper:
    """The state of one strategy in one run."""

    def __init__(self, strategy: Strategy) -> None:
        self.name = state_name(strategy)
        self._kind = state_type(strategy)
        self._value: Any = None
        self._saved = b""
        self._revision = 0

    @property
    def used(self) -> bool:
        """Whether the strategy declares a state."""
        return self._kind is not None

    @property
    def value(self) -> Any:
        """The state itself. ConfigurationError when the strategy declares none."""
        if self._value is None:
            if self._kind is None:
                raise ConfigurationError(
                    f"{self.name} has no state: declare a msgspec.Struct with defaults as its `State`"
                )
            raise ConfigurationError("there is no state before on_start")
        return self._value

    def start(self, saved: str, revision: int) -> None:
        """Begin with a saved state (JSON text), or with a new one when that is empty."""
        if self._kind is None:
            return
        self._value = decode_state(self.name, self._kind, saved) if saved else self._kind()
        # one that begins anew over an older one is written at once: a restart must not find the older one again
        self._saved = self._encoded() if saved or not revision else b""
        self._revision = revision

    def changes(self) -> bytes | None:
        """What has to be saved now, as a payload; None when nothing has changed since it was asked last.

        Raises ConfigurationError for a state that can't be saved.
        """
        if self._value is None:
            return None
        encoded = self._encoded()
        if encoded == self._saved:
            return None
        self._saved = encoded
        self._revision += 1
        return _encode(SavedState(revision=self._revision, state=msgspec.Raw(encoded)))

    def _encoded(self) -> bytes:
        try:
            encoded = _encode(self._value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the state of {self.name} can't be saved ({error}): keep plain values, structs, lists and dicts in it"
            ) from error
        if len(encoded) > MOST_BYTES:
            raise ConfigurationError(
                f"the state of {self.name} has grown to {len(encoded):,} bytes, expected at most {MOST_BYTES:,}: keep "
                "what a restart needs, and the rest in the recording with ctx.metric"
            )
        return encoded


def state_name(strategy: Strategy) -> str:
    """What a state is filed under: the strategy's `name`, otherwise its class."""
    return strategy.name or type(strategy).__qualname__


def state_type(strategy: Strategy) -> type[msgspec.Struct] | None:
    """The strategy's `State`, if it declares one. ConfigurationError for one that can't be used."""
    kind = strategy.State
    if kind is None:
        return None
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        raise ConfigurationError(f"expected {state_name(strategy)}.State to be a msgspec.Struct class, found {kind!r}")
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    if required:
        raise ConfigurationError(
            f"expected every field of {state_name(strategy)}.State to have a default, found none for "
            f"{', '.join(required)}: a first run begins with them"
        )
    return kind


def decode_state(name: str, kind: type[msgspec.Struct], saved: str) -> msgspec.Struct:
    """A saved state as the strategy declares it now. ConfigurationError when it doesn't fit any more."""
    try:
        return msgspec.json.decode(saved, type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigurationError(
            f"the state that {name} saved does not fit its State any more ({error}): give it the type it had, or begin "
            "anew with fresh_state=True (`horizon run --fresh-state`)"
        ) from error
