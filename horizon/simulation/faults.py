"""What goes wrong on purpose between a simulator and its client.

    plan = FaultPlan([Fault(match="POST */orders", when="after", action="drop")])     # placed, but the answer is lost
    plan = FaultPlan.drawn([Fault(match="* */orders", action="drop"), ...], seed=7, share=0.1)     # one in ten, by lot
    plan = FaultPlan.parse('''
        [[fault]]
        match = "GET */marketdata/snapshot"
        action = "html"
        times = 3

        [[event]]
        after = "2h"
        what = "compete"
    ''')

Faults befall requests; events (`horizon.simulation.timed_events`) befall the venue at a time, and are its own affair.
The server harness applies the faults around any handler, so they need no help from the venue's own code.

    when      before     the handler is not run: nothing happened
              after      the handler has run; its answer is lost, late or replaced
              during     the handler has run; half of the answer's body leaves, then the connection is cut (drop only)
    action    pass       the true answer: for a fault that is only a `what`
              drop       the connection is cut without an answer
              status     `status` (503) with a short JSON error
              html       an HTML page, as a proxy shows it (`status`, 200)
              empty      no body (`status`, 200)
              truncate   the first half of the true body, as a complete HTTP answer
              silence    nothing until the client gives up or `seconds` have passed; then the connection is cut
              delay      the true answer, `seconds` late
              duplicate  the request reaches the handler twice, as when a proxy repeats it; the second answer is sent
              overtaken  the true answer, but only after that of the next request (or `seconds`, 5, later)

A fault may also name a `what`: something that happens to the venue at that point of the exchange, before the handler
runs or after, as an event of that name would.
"""

import asyncio
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from random import Random
from typing import Literal, TypeVar, get_args

import msgspec

from horizon.errors import ConfigurationError
from horizon.simulation.timed_events import Event

When = Literal["before", "after", "during"]
Action = Literal["pass", "drop", "status", "html", "empty", "truncate", "silence", "delay", "duplicate", "overtaken"]
_NEEDS_THE_ANSWER: tuple[Action, ...] = ("truncate", "duplicate", "overtaken")
_TAKES_SECONDS: tuple[Action, ...] = ("delay", "silence", "overtaken")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of mishap; the module's table says what `when` and `action` mean.

    `match` is a method (or `*`) and a path pattern with `*`, without the query: `POST */orders`. The first `skip`
    requests that match pass unharmed, the next `times` do not. `seconds` is clock time, for delay, silence and
    overtaken.
    Raises ConfigurationError for a combination without a meaning.
    """

    match: str
    action: Action
    when: When = "before"
    status: int | None = None
    seconds: float | None = None
    times: int = 1
    skip: int = 0
    what: str = ""
    """What happens to the venue meanwhile; which names there are is for the simulator to say."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ConfigurationError(f"fault {self.match!r}: {problem}")

    def _problem(self) -> str:
        action, seconds = self.action, self.seconds
        if len(self.match.split()) != 2:
            return 'expected match as a method and a path pattern, such as "POST */orders"'
        if action not in get_args(Action):
            return f"expected an action among {', '.join(get_args(Action))}, found {action!r}"
        if self.when not in get_args(When):
            return f"expected when among {', '.join(get_args(When))}, found {self.when!r}"
        if self.when == "during" and action != "drop":
            return f"'during' cuts the connection half way, which is action 'drop', found {action!r}"
        if self.when == "before" and action in _NEEDS_THE_ANSWER:
            return f"{action!r} needs the true answer: say when='after'"
        if action == "delay" and not (seconds is not None and seconds > 0):
            return f"a delay needs seconds above 0, found {seconds}"
        if seconds is not None and action not in _TAKES_SECONDS:
            return f"seconds belong to {', '.join(_TAKES_SECONDS)}, found action {action!r}"
        if action == "pass" and not self.what:
            return "'pass' does nothing by itself: say what happens meanwhile (what='...')"
        return self._problem_with_numbers()

    def _problem_with_numbers(self) -> str:
        if self.status is not None and self.action not in ("status", "html", "empty"):
            return f"status belongs to the actions status, html and empty, found {self.action!r}"
        if self.status is not None and not 200 <= self.status <= 599:
            return f"expected a status from 200 to 599, found {self.status}"
        if self.times < 1 or self.skip < 0:
            return f"expected times of at least 1 and skip of at least 0, found {self.times} and {self.skip}"
        return ""

    def matches(self, method: str, path: str) -> bool:
        """Whether a request is meant, however often the fault was used already."""
        wanted, pattern = self.match.split()
        return wanted in ("*", method) and fnmatchcase(path, pattern)


@dataclass
class _Pending:
    fault: Fault
    skip: int
    left: int


class Lottery:
    """Whom a fault befalls, drawn from a seed."""

    def __init__(self, seed: int, share: float) -> None:
        if not 0 < share <= 1:
            raise ConfigurationError(f"expected a share of requests above 0 and up to 1, found {share}")
        self._random = Random(seed)
        self._share = share

    def hits(self) -> bool:
        return self._random.random() < self._share

    def pick(self, ready: list[_Pending]) -> _Pending:
        return self._random.choice(ready)


class FaultPlan:
    """Faults in order of precedence; the first that matches and is not used up is applied, one per request.

    Under a `lottery` a request that could be hit is hit with that share only, by a fault drawn among those that match.
    """

    def __init__(
        self, faults: Iterable[Fault] = (), events: Iterable[Event] = (), *, lottery: "Lottery | None" = None
    ) -> None:
        self._lottery = lottery
        self._happens: Callable[[str], object] | None = None
        self._problem: Callable[[str], str] | None = None
        self._pending: list[_Pending] = []
        self.events = tuple(events)
        """What happens by itself, in the order of the plan; the simulator sees to it."""
        self.applied: list[tuple[Fault, str]] = []
        """What was done so far, as (fault, "METHOD path")."""
        self._any = asyncio.Event()
        for fault in faults:
            self.add(fault)

    @classmethod
    def of(cls, plan: "FaultPlan | Iterable[Fault | Event] | None") -> "FaultPlan":
        """The plan itself, or one of these faults and events."""
        if isinstance(plan, FaultPlan):
            return plan
        parts = list(plan or ())
        return cls([p for p in parts if isinstance(p, Fault)], [p for p in parts if isinstance(p, Event)])

    @classmethod
    def parse(cls, text: str) -> "FaultPlan":
        """A plan from TOML with a `[[fault]]` table per fault and an `[[event]]` table per event.

        Raises ConfigurationError, naming the table and the key.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"the fault plan is not valid TOML: {error}") from None
        unknown = sorted(set(document) - {"fault", "event"})
        faults, events = document.get("fault", []), document.get("event", [])
        if unknown or not (isinstance(faults, list) and isinstance(events, list)):
            found = ", ".join(unknown) or ("one [event] table" if isinstance(faults, list) else "one [fault] table")
            raise ConfigurationError(f"expected only [[fault]] tables and [[event]] tables in a plan, found {found}")
        return cls(
            [_read("fault", number, table, Fault) for number, table in enumerate(faults, start=1)],
            [_read("event", number, table, Event) for number, table in enumerate(events, start=1)],
        )

    @classmethod
    def drawn(cls, among: Iterable[Fault], *, seed: int, share: float, events: Iterable[Event] = ()) -> "FaultPlan":
        """A plan by lot: a request that matches any of the faults is hit with this probability, by one of those that
        match; the same seed and the same requests give the same faults. Each strikes as often as its `times`."""
        return cls(among, events, lottery=Lottery(seed, share))

    def connect(self, happens: Callable[[str], object], problem: Callable[[str], str]) -> None:
        """Let a venue see to what the faults name. `problem` says why it can't make something happen, or nothing.
        Raises ConfigurationError for a fault that names such a thing."""
        self._happens, self._problem = happens, problem
        for pending in self._pending:
            self._check(pending.fault)

    def _check(self, fault: Fault) -> None:
        problem = self._problem(fault.what) if fault.what and self._problem is not None else ""
        if problem:
            raise ConfigurationError(f"fault {fault.match!r}: {problem}")

    def add(self, fault: Fault) -> None:
        """Put one more fault at the end; this works while the server runs."""
        self._check(fault)
        self._pending.append(_Pending(fault, fault.skip, fault.times))

    async def wait_until_applied(self) -> None:
        """Return once any fault has been applied."""
        await self._any.wait()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, counted as used; None when the request passes unharmed."""
        ready: list[_Pending] = []
        for pending in self._pending:
            if not pending.left or not pending.fault.matches(method, path):
                continue
            if pending.skip:
                pending.skip -= 1
                continue
            ready.append(pending)
            if self._lottery is None:
                break
        if not ready or (self._lottery is not None and not self._lottery.hits()):
            return None
        struck = ready[0] if self._lottery is None else self._lottery.pick(ready)
        struck.left -= 1
        self.applied.append((struck.fault, f"{method} {path}"))
        self._any.set()
        return struck.fault

    def happen(self, fault: Fault) -> None:
        """Let what the fault names happen."""
        if fault.what and self._happens is not None:
            self._happens(fault.what)


T = TypeVar("T")


def _read(kind: str, number: int, table: object, into: type[T]) -> T:
    try:
        return msgspec.convert(table, into)
    except (msgspec.ValidationError, ConfigurationError) as error:
        raise ConfigurationError(f"{kind} number {number} of the plan: {error}") from None
