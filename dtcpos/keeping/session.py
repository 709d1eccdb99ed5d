"""One session with the server, from the first byte to the last: what each message means for the ledger.

Runs inside the keeper's transactions: `take` and `fall_due` write through the repository and return the updates that
become true with the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from attrs import frozen

from dtcpos.dtc import (
    DEPTH_TYPES,
    QUOTE_TYPES,
    AlertMessage,
    Closed,
    Connection,
    Encoding,
    HistoryRun,
    Logoff,
    LogonRequest,
    LogonResponse,
    LogonStatus,
    Message,
    OrderUpdate,
    PositionUpdate,
    Role,
    Skipped,
    State,
    UserMessage,
)
from dtcpos.errors import ConnectionLost, DtcposError, LogonRefused, RemoteProtocolError
from dtcpos.keeping.answers import Policy
from dtcpos.keeping.checking import Checking
from dtcpos.keeping.orders import Orders
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.quotes import Quotes
from dtcpos.keeping.snapshots import Feed, Snapshots
from dtcpos.keeping.sync import Ended, Event, Outcome, Sync, Topic
from dtcpos.model import Fill, PositionKey
from dtcpos.settings import TradingDay
from dtcpos.store import PositionRepository
from dtcpos.translate import Unusable, fill_of, reported_of
from dtcpos.updates import AlertUpdate, FillUpdate, SyncedUpdate, Update, last_fills

# A broken feed repeats itself; a person needs the first few.
_UNUSABLE_TOLD_MAX = 20
# Servers newer than we are, or with other interests, say things that are nobody's fault.
_EXPECTED = frozenset({"unknown type", "not served", "unknown layout", "not finite"})


@frozen(kw_only=True)
class Wants:
    """What a session is to do: how to speak and log on, whom to follow, how long to wait."""

    encoding: Encoding
    negotiate: bool
    logon: LogonRequest
    accounts: Collection[str]
    history_days: float
    request_timeout_s: float
    market_data: bool
    symbols: Collection[str]
    trading_day: TradingDay
    feed: Feed | None = None
    policy: Policy = Policy.REPORT
    close_price: Decimal | None = None

    def follows(self, account: str) -> bool:
        """Whether the account is one of those wanted; without names all are."""
        return not self.accounts or account in self.accounts


class Session:
    """The life of one connection."""

    def __init__(self, repository: PositionRepository, posting: Posting, wants: Wants) -> None:
        self.wants = wants
        self.connection = Connection(
            Role.CLIENT,
            encoding=wants.encoding,
            negotiate=wants.negotiate,
            logon=wants.logon,
            heartbeat_interval_s=wants.logon.HeartbeatIntervalInSeconds,
            ignored=QUOTE_TYPES | DEPTH_TYPES,
            history_in_runs=True,
        )
        self._posting = posting
        self._sync = Sync(request_timeout_s=wants.request_timeout_s)
        self.checking = Checking(
            repository,
            posting,
            self._sync,
            history_days=wants.history_days,
            policy=wants.policy,
            close_price=wants.close_price,
        )
        self._orders = Orders(repository, posting)
        self._snapshots = Snapshots(
            self.connection, posting, repository, trading_day=wants.trading_day, feed=wants.feed
        )
        self._quotes = Quotes(
            self.connection,
            posting,
            repository,
            self._snapshots,
            market_data=wants.market_data,
            always=wants.symbols,
        )
        self._backfilled = 0
        self.failure: DtcposError | None = None
        self.reconnect_address = ""
        self.server_name = ""
        self.has_logged_on = False
        self.has_logged_off = False
        self.unusable = 0

    @property
    def state(self) -> State:
        """How far the session has come."""
        return self.connection.state

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self.state in (State.CLOSED, State.FAILED)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The questions that had no whole answer, in words."""
        return tuple(self.checking.unfinished.values())

    def events(self) -> Iterator[Event]:
        """Yield what has arrived; a broken protocol becomes `failure`, after what was whole before it.

        One by one, because what an event teaches decides which of the ticks behind it become events at all.
        """
        try:
            yield from self.connection.events()
        except RemoteProtocolError as error:
            self.failure = error

    def next_deadline(self) -> float | None:
        """Return when `fall_due` has something to do."""
        owners = (self.connection, self._sync, self.checking, self._quotes)
        return min((due for owner in owners if (due := owner.next_deadline()) is not None), default=None)

    def gather(self, event: Event, further: Iterator[Event], now: float) -> Event | None:
        """Take what waits for more to come, as the middle of a history does; return the first event that does not."""
        return self._sync.gather(event, further, now=now)

    def take(self, events: Iterable[Event], now: float) -> list[Update]:
        """Take what has arrived, in order; executions that follow each other are booked together.

        A position stated unasked between two executions is a state that the next statement replaces, so only the last
        one of each symbol is compared, after the executions before it.
        """
        moment = moment_of_clock(now)
        updates: list[Update] = []
        fills: list[Fill] = []
        stated: dict[tuple[str, str], PositionUpdate] = {}
        coming = iter(events)
        event = next(coming, None)
        while event is not None:
            rest = None
            if isinstance(event, OrderUpdate):
                updates += self._order(event, fills, now, moment)
            elif isinstance(event, PositionUpdate) and (event.Unsolicited or not event.RequestID):
                stated[event.TradeAccount, event.Symbol] = event
            elif (other := self._sync.gather(event, coming, now=now)) is not event:
                event = other
                continue
            else:
                if isinstance(event, HistoryRun):
                    # It does not follow, or it ends the history; what comes behind it may follow again.
                    first, rest = event.split(1)
                    event = next(first.messages())
                updates += self._book(fills, stated, now, moment)
                told = self._other(event, now, moment)
                self._quotes.after(last_fills(told))
                updates += told
            event = next(coming, None) if rest is None else rest
        updates += self._book(fills, stated, now, moment)
        for key in self._posting.rebooked:
            # Its band was that of another position.
            self._quotes.expect(key.symbol)
        self._orders.write(last_fills(updates))
        self._snapshots.write(updates, moment)
        return self._snapshots.told(updates) + self._quotes.unknown()

    def fall_due(self, now: float) -> list[Update]:
        """Do what time alone brings: give up on answers, ask again, write excursions."""
        moment = moment_of_clock(now)
        updates = [update for ended in self._sync.tick(now) for update in self._ended(ended, now, moment)]
        self.checking.tick(now, moment)
        if self._quotes.is_due(now):
            self.flush(now)
        return self._snapshots.told(updates) + self._quotes.unknown()

    def flush(self, now: float) -> None:
        """Write excursions, last prices and orders that have only been remembered."""
        self._quotes.flush(moment_of_clock(now))
        self._orders.flush()

    def reload(self) -> None:
        """Look at the file again: another process has written."""
        self.checking.reload()
        self._quotes.forget()
        self._orders.forget()

    def pump(self, now: float) -> None:
        """Send the next question, if none is out."""
        if self.state in (State.SYNCING, State.READY):
            while (request := self._sync.next_request(now)) is not None:
                self.connection.send(request)
            self._quotes.pump(now)

    def settle(self) -> SyncedUpdate | None:
        """End the synchronisation once every question has ended; returns what there is to say of it, once."""
        is_settled = self._sync.is_idle and self.checking.is_settled and self._quotes.is_settled
        if self.state is not State.SYNCING or not is_settled:
            return None
        self.connection.synced()
        return SyncedUpdate(
            accounts=sum(self.wants.follows(name) for name in self._posting.accounts),
            backfilled=self._backfilled,
            breaks=len(self.checking.open_breaks),
            unfinished=self.unfinished,
        )

    def _order(self, update: OrderUpdate, fills: list[Fill], now: float, moment: datetime) -> list[Update]:
        """Take an order update: an execution to book, the order's new state, or an answer to our question."""
        updates: list[Update] = []
        fill = fill_of(update, received_at=moment)
        account = fill.account if isinstance(fill, Fill) else update.TradeAccount
        if isinstance(fill, Unusable):
            updates += self._note_unusable(fill)
        if self.wants.follows(account):
            if isinstance(fill, Fill):
                fills.append(fill)
                self._quotes.expect(fill.symbol)
                self._snapshots.sight(fill)
            self._orders.note(update, account, moment)
        if update.RequestID:
            for ended in self._sync.receive(update, now=now, received_at=moment) or ():
                updates += self._ended(ended, now, moment)
        return updates

    def _book(
        self, fills: list[Fill], stated: dict[tuple[str, str], PositionUpdate], now: float, moment: datetime
    ) -> list[Update]:
        """Book what has been gathered, then compare what was stated; both are taken out."""
        updates = self._executed(fills, now, moment) if fills else []
        fills.clear()
        for event in stated.values():
            updates += self._position(event, now, moment)
        stated.clear()
        return updates

    def _executed(self, fills: Sequence[Fill], now: float, moment: datetime) -> list[Update]:
        # What ticks have taught belongs to the position the fill is about to change or close.
        self._quotes.write_extremes()
        updates = self._posting.post_live(fills, now=moment)
        last = last_fills(updates)
        self.checking.note_fills(last, now)
        # At once: a trade that follows in the same read is a mark of the position after the fill.
        self._quotes.after(last)
        overfilled = [
            AlertUpdate(
                kind="overfill",
                text=f"order {update.fill.order_id} filled more than its quantity",
                key=PositionKey(update.mode, update.fill.account, update.fill.symbol),
            )
            for update in updates
            if isinstance(update, FillUpdate) and update.fill.flags and "overfill" in update.fill.flags
        ]
        return [*updates, *overfilled]

    def _other(self, event: Message | Skipped | Closed, now: float, moment: datetime) -> list[Update]:
        match event:
            case LogonResponse():
                self._logged_on(event)
            case Logoff():
                self.has_logged_off = True
                if event.DoNotReconnect:
                    reason = event.Reason or "no reason given"
                    self.failure = ConnectionLost(f"the server logged off and asks not to reconnect: {reason}")
            case UserMessage():
                return [AlertUpdate(kind="server", text=event.UserMessage)]
            case AlertMessage():
                return [AlertUpdate(kind="server", text=event.MessageText)]
            case Message():
                ended = self._sync.receive(event, now=now, received_at=moment)
                if ended is not None:
                    return [update for each in ended for update in self._ended(each, now, moment)]
                return self._quotes.receive(event, now, moment)
            case Skipped() if event.reason not in _EXPECTED:
                number = "" if event.type is None else f" of type {event.type}"
                return self._note_unusable(Unusable(f"a message{number}: {event.reason}"))
            case Skipped() | Closed():
                pass
        return []

    def _position(self, event: PositionUpdate, now: float, moment: datetime) -> list[Update]:
        if event.NoPositions:
            return []
        report = reported_of(event)
        if isinstance(report, Unusable):
            return self._note_unusable(report)
        # One of several positions in a symbol says nothing of their sum.
        if not self.wants.follows(report.account) or report.position_identifier:
            return []
        self._quotes.write_extremes()
        return self._posting.meet(report.account, now=moment) + self.checking.stated(report, now, moment)

    def _logged_on(self, response: LogonResponse) -> None:
        text = response.ResultText or "no reason given"
        match response.Result:
            case LogonStatus.SUCCESS:
                self.server_name = response.ServerName
                self.has_logged_on = True
                self._quotes.has_definitions = bool(response.SecurityDefinitionsSupported)
                self._sync.ask_accounts()
            case LogonStatus.RECONNECT_NEW_ADDRESS:
                self.reconnect_address = response.ReconnectAddress
                if not self.reconnect_address:
                    self.failure = LogonRefused(f"the server names no new address to log on to: {text}")
            case _:
                self.failure = LogonRefused(f"the server refused the logon: {text}")

    def _ended(self, ended: Ended, now: float, moment: datetime) -> list[Update]:
        match ended.topic:
            case Topic.ACCOUNTS:
                return self._accounts(ended, moment)
            case Topic.HISTORY:
                self._quotes.write_extremes()
                updates = self.checking.history_ended(ended, moment, follows=self.wants.follows)
                self._backfilled += sum(isinstance(update, FillUpdate) for update in updates)
                return updates
            case Topic.POSITIONS:
                self._quotes.write_extremes()
                return self.checking.positions_ended(ended, now, moment)
            case Topic.ORDERS:
                if ended.outcome is not Outcome.COMPLETE:
                    return [AlertUpdate(kind="sync", text=f"account {ended.account}: {ended.words}")]
                self._orders.replace_all(ended.account, ended.orders)
                return []

    def _accounts(self, ended: Ended, moment: datetime) -> list[Update]:
        updates: list[Update] = []
        if ended.outcome is not Outcome.COMPLETE:
            updates.append(AlertUpdate(kind="sync", text=ended.words))
            others = set(self._posting.accounts)
        else:
            # An account the list has lost may still have its position; without one there is nothing to prove.
            others = {key.account for key in self._posting.positions}
        for account in dict.fromkeys([*ended.accounts, *sorted(others)]):
            if self.wants.follows(account):
                updates += self._posting.meet(account, now=moment)
                self.checking.ask(account, moment)
        return updates

    def _note_unusable(self, fault: Unusable) -> list[Update]:
        self.unusable += 1
        if self.unusable > _UNUSABLE_TOLD_MAX:
            return []
        return [AlertUpdate(kind="unusable", text=f"skipped {fault.reason}")]


def moment_of_clock(now: float) -> datetime:
    """Return Unix time in seconds as an aware time."""
    return datetime.fromtimestamp(now, UTC)
