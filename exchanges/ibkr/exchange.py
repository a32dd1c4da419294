"""Interactive Brokers, as a user sees it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from exchanges.ibkr.auth.protocol import Auth
from exchanges.ibkr.confirmations import Decide, OptIn, Policy
from exchanges.ibkr.connection import connection
from exchanges.ibkr.market_data import MarketData
from exchanges.ibkr.rates import REQUESTS_PER_SECOND
from exchanges.ibkr.resets import Region, region_of
from exchanges.ibkr.session import Session
from exchanges.ibkr.session_note import SessionNotes
from exchanges.ibkr.session_report import SessionStatus
from exchanges.ibkr.session_table import Compete, compete_of
from exchanges.ibkr.settings import choose, given
from exchanges.ibkr.venue import IbkrVenue
from horizon.clock import Clock, SystemClock
from horizon.exchange import Exchange
from horizon.guards import Guard
from horizon.observe.notify import Notify
from horizon.ports import Journal


class InteractiveBrokers(Exchange):
    """IBKR's Client Portal Web API, through a local gateway or with a token of one's own.

    `account_id` (or IBKR_ACCOUNT_ID) may be left out when the login has one account. Whether it is a paper or a live
    account is read from the venue; orders with real money need `live=True` and limits (`horizon.guards.live_guards`),
    and `read_only=True` sends nothing that changes anything.

    `auth` is a way of signing in (`OAuth2`, `OAuth1`, `Bearer`); without it, a gateway on this machine needs none, and
    any other address takes a bearer token from `access_token` or IBKR_ACCESS_TOKEN. `api_url` is the gateway of this
    machine, or IBKR's own address when `auth` needs no gateway; `hosts` are others to try when that one answers 410.
    `certificate` is a PEM file or a SHA-256 fingerprint; without it, a gateway on this machine is trusted on first use
    and any other host by the machine's authorities. `accept_stock_certificate` accepts on another host the certificate
    that comes with every gateway.

    `accept` opts in to confirmation prompts that are refused by default, by message id, each with a limit of the
    user's own; `decide` is a function of the user's own that is asked about every prompt, has fifteen seconds and the
    last word (True, False, an option of the prompt, or None to leave it to the rules); `suppress` names prompts that
    need not be asked at all. `compete` says whether the brokerage session is taken from another program of the same
    user: never, once for each time this object is opened, or always.

    `region` says whose nightly resets apply. New orders are refused shortly before and during one, or with
    `hold_orders_over_reset` taken and sent when the session is back. `notify` is a hook, or several, by which a person
    hears what must be heard (`horizon.observe.notify`). `requests_per_second` may be 50 instead of 10 with OAuth; the
    limits are kept together with other programs of the same user, unless a `clock` is given. `timeout` is in seconds,
    for each call.
    """

    feed_name: ClassVar[str] = "ibkr_polling"

    def __init__(
        self,
        *,
        account_id: str | None = None,
        auth: Auth | None = None,
        access_token: str | None = None,
        api_url: str | None = None,
        hosts: Sequence[str] = (),
        certificate: str | Path | None = None,
        accept_stock_certificate: bool = False,
        accept: Mapping[str, OptIn | str] | None = None,
        decide: Decide | None = None,
        suppress: Sequence[str] = (),
        compete: Compete = "never",
        region: Region = "US",
        hold_orders_over_reset: bool = False,
        requests_per_second: int = REQUESTS_PER_SECOND,
        notify: Notify | None = None,
        timeout: float = 30.0,
        journal: Journal | Path | None = None,
        guards: Sequence[Guard] | None = None,
        live: bool = False,
        read_only: bool = False,
        reconciles: bool = False,
        clock: Clock | None = None,
    ) -> None:
        # other programs keep the machine's time, not that of a clock that was handed in
        shared = clock is None
        clock = clock or SystemClock()
        policy = Policy(accept, decide=decide)
        client = connection(
            api_url,
            clock,
            shared=shared,
            auth=auth,
            access_token=access_token,
            hosts=hosts,
            certificate=certificate,
            accept_stock_certificate=accept_stock_certificate,
            requests_per_second=requests_per_second,
            timeout=timeout,
        )
        self._login = Session(
            client,
            clock,
            compete=compete_of(compete),
            region=region_of(region),
            hold_orders_over_reset=hold_orders_over_reset,
            suppress=policy.suppressible(() if read_only else suppress),
            notes=SessionNotes(client.base_url, client.auth) if shared else None,
        )
        venue = IbkrVenue(client, self._login, policy=policy, clock=clock)
        super().__init__(
            venue,
            account_id=account_id or os.environ.get("IBKR_ACCOUNT_ID") or None,
            journal=journal,
            guards=guards,
            live=live,
            read_only=read_only,
            reconciles=reconciles,
            clock=clock,
            notify=notify,
        )
        self.market_data: MarketData = venue.market_data
        """Snapshots and their subscriptions."""

    @classmethod
    def from_settings(cls, profile: str | None = None, **overrides: Any) -> Self:
        """As the user's settings say (`ibkr.toml` in the configuration directory, IBKR_... variables over it).

        `profile` is a table of that file; without one, the file's default. `overrides` are arguments of this class
        that take the place of what the settings say; None leaves it. Raises ConfigurationError for wrong settings.
        """
        return cls(**given(choose(profile).settings, overrides))

    def status(self) -> SessionStatus:
        """The session at this moment: tiers with their ages, accounts, request budget, the next reset."""
        return self._login.status()
