"""Keep the truth of one server session: bytes in, durable updates out.

Invariants:
1. Everything one `receive_data` call brought is booked in one transaction, and no update is returned before its commit.
2. `positions` always equals what is committed, as one immutable mapping swapped whole.
3. What the peer did before it broke the protocol is booked before the fault is reported.

No socket, no thread, no clock: the caller owns them and passes `now`, Unix time in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from attrs import evolve

from dtcpos.checking import Checking
from dtcpos.dtc import (
    AlertMessage,
    Closed,
    Connection,
    Encoding,
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
from dtcpos.model import Break, Fill, Link, Position, PositionKey, WorkingOrder
from dtcpos.posting import Posting
from dtcpos.quotes import Quotes
from dtcpos.store import PositionRepository, WriterLock
from dtcpos.sync import Ended, Outcome, Sync, Topic
from dtcpos.translate import Unusable, fill_of, order_of, reported_of
from dtcpos.updates import AlertUpdate, FillUpdate, SessionUpdate, SyncedUpdate, Update

HEARTBEAT_INTERVAL_S = 10
REQUEST_TIMEOUT_S = 10.0
HISTORY_DAYS = 30.0
# How often the link's row is refreshed and other processes' writes are looked for.
_REFRESH_S = 0.9
_UNUSABLE_TOLD_MAX = 20
_ENDED = (State.CLOSED, State.FAILED)


class PositionKeeper:
    """Follow one DTC server and keep the ledger true to it.

    Call `start` when the socket is connected, send `data_to_send`, feed `receive_data` (b"" at the end of the stream),
    and call `tick` when `next_deadline` has come; `stop` at the end. After the connection is lost, `start` begins the
    next one. Raises LedgerLocked from `start` if another process keeps this ledger, and other LedgerErrors from any
    call that cannot write; nothing of such a call is booked or returned.
    """

    def __init__(
        self,
        repository: PositionRepository,
        *,
        mode_rules: Mapping[str, str] | None = None,
        encoding: Encoding = Encoding.BINARY,
        negotiate: bool = True,
        username: str = "",
        password: str = "",
        accounts: Iterable[str] = (),
        server: str = "",
        history_days: float = HISTORY_DAYS,
        heartbeat_interval_s: int = HEARTBEAT_INTERVAL_S,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        market_data: bool = True,
        one_position_per_account: bool = True,
    ) -> None:
        self._repository = repository
        self._posting = Posting(
            repository, mode_rules=mode_rules, one_position_per_account=one_position_per_account
        )
        self._encoding = encoding
        self._negotiate = negotiate
        self._logon = LogonRequest(
            Username=username,
            Password=password,
            HeartbeatIntervalInSeconds=heartbeat_interval_s,
            ClientName="dtcpos",
        )
        self._only = frozenset(accounts)
        self._server = server
        self._history_days = history_days
        self._heartbeat_interval_s = heartbeat_interval_s
        self._request_timeout_s = request_timeout_s
        self._market_data = market_data
        self._lock: WriterLock | None = None
        self._file_version: int | None = None
        self._unusable = 0
        self._since: datetime | None = None
        self.positions: Mapping[PositionKey, Position] = MappingProxyType({})
        self.failure: DtcposError | None = None
        self.reconnect_address = ""
        self.is_synced = False
        self._publish()
        self._begin()

    @property
    def state(self) -> State:
        """How far the session has come."""
        return self._connection.state

    @property
    def has_logged_on(self) -> bool:
        """Whether the server let us in, in this session."""
        return self._has_logged_on

    def speak(self, encoding: Encoding, *, negotiate: bool) -> None:
        """Choose the encoding of the next session; without `negotiate` the server is taken to be fixed to it."""
        self._encoding, self._negotiate = encoding, negotiate

    @property
    def lost_because(self) -> str:
        """Why the session ended, empty while it has not."""
        return self._connection.closed_reason

    @property
    def open_breaks(self) -> Sequence[Break]:
        """The breaks nobody has answered."""
        return self._checking.open_breaks

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The questions of this session that had no whole answer, in words."""
        return tuple(self._checking.unfinished.values())

    @property
    def skipped(self) -> int:
        """Messages passed over in this session because they were unknown, malformed or not to be meant."""
        return self._unusable + sum(self._connection.skipped.values())

    def start(self, *, now: float) -> list[Update]:
        """Begin a session on a connected socket."""
        if self._lock is None and isinstance(self._repository.path, Path):
            lock = WriterLock(self._repository.path)
            lock.acquire(now)
            self._lock = lock
        self._posting.reload()
        self._begin()
        self._connection.start(now)
        self._since = _moment(now)
        with self._repository.transaction():
            self._put_link(now, self.state.value.lower())
        self._publish()
        return [self._told()]

    def _begin(self) -> None:
        self.failure = None
        self.reconnect_address = ""
        self.is_synced = False
        self._connection = Connection(
            Role.CLIENT,
            encoding=self._encoding,
            negotiate=self._negotiate,
            logon=self._logon,
            heartbeat_interval_s=self._heartbeat_interval_s,
        )
        self._sync = Sync(request_timeout_s=self._request_timeout_s)
        self._checking = Checking(self._repository, self._posting, self._sync, history_days=self._history_days)
        self._quotes = Quotes(self._connection, self._posting, self._repository, market_data=self._market_data)
        self._backfilled = 0
        self._refresh_at = 0.0
        self._server_name = ""
        self._has_logged_on = False

    def receive_data(self, data: bytes, *, now: float) -> list[Update]:
        """Take bytes from the server, b"" for the end of the stream, and return what has become true and durable.

        A broken protocol does not raise: the session ends, `failure` holds the error, and what came before it stands.
        """
        before = self.state
        self._connection.receive_data(data, now)
        events, fault = self._events()
        updates = self._in_transaction(lambda: self._take(events, now), now) if events else []
        if fault is not None:
            self.failure = fault
        return updates + self._after(before, now)

    def data_to_send(self) -> bytes:
        """Return and forget the bytes owed to the server."""
        return self._connection.data_to_send()

    def next_deadline(self) -> float | None:
        """Return when `tick` wants to be called, None where there is nothing to wait for."""
        if self.state in _ENDED or self.state is State.IDLE:
            return None
        times = (
            self._connection.next_deadline(),
            self._sync.next_deadline(),
            self._checking.next_deadline(),
            self._quotes.next_deadline(),
            self._refresh_at or None,
        )
        return min((time for time in times if time is not None), default=None)

    def tick(self, *, now: float) -> list[Update]:
        """Do what has fallen due: heartbeats, timeouts, comparisons, excursions, what other processes wrote."""
        before = self.state
        if before in _ENDED or before is State.IDLE:
            return []
        self._connection.tick(now)
        events, fault = self._events()
        if fault is not None:
            self.failure = fault
        return self._in_transaction(lambda: self._fall_due(events, now), now) + self._after(before, now)

    def stop(self, *, now: float) -> list[Update]:
        """End the session in order: the logoff is in `data_to_send`, the ledger is no longer ours to write."""
        updates: list[Update] = []
        if self.state not in _ENDED and self.state is not State.IDLE:
            self._in_transaction(lambda: self._flushed(now), now)
            if self.state in (State.SYNCING, State.READY):
                self._connection.send(Logoff(Reason="dtcpos is stopping"))
            with self._repository.transaction():
                self._put_link(now, "closed")
            updates.append(SessionUpdate(state="closed", server=self._server, reason="stopped"))
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        return updates

    # -- events --------------------------------------------------------------------------------------------------

    def _events(self) -> tuple[list[Message | Skipped | Closed], RemoteProtocolError | None]:
        events: list[Message | Skipped | Closed] = []
        try:
            events.extend(self._connection.events())
        except RemoteProtocolError as error:
            return events, error
        return events, None

    def _in_transaction(self, work: Callable[[], list[Update]], now: float) -> list[Update]:
        try:
            with self._repository.transaction():
                self._notice_other_writers()
                updates = work()
                self._pump(now)
        except DtcposError:
            # What was remembered may be of rows that were rolled back.
            self._file_version = None
            raise
        self._publish()
        return updates

    def _notice_other_writers(self) -> None:
        version = self._repository.data_version()
        if version != self._file_version:
            self._posting.reload()
            self._checking.reload()
            self._file_version = version

    def _take(self, events: Sequence[Message | Skipped | Closed], now: float) -> list[Update]:
        moment = _moment(now)
        updates: list[Update] = []
        fills: list[Fill] = []
        orders: dict[tuple[str, str], WorkingOrder] = {}
        for event in events:
            if isinstance(event, OrderUpdate):
                updates += self._order(event, fills, orders, now, moment)
                continue
            if fills:
                updates += self._book(fills, now, moment)
                fills = []
            updates += self._other(event, now, moment)
        if fills:
            updates += self._book(fills, now, moment)
        if orders:
            self._repository.put_orders(list(orders.values()))
        self._quotes.after(updates)
        return updates

    def _order(
        self,
        update: OrderUpdate,
        fills: list[Fill],
        orders: dict[tuple[str, str], WorkingOrder],
        now: float,
        moment: datetime,
    ) -> list[Update]:
        """Take an order update: an execution to book, the order's new state, or an answer to our question."""
        updates: list[Update] = []
        fill = fill_of(update, received_at=moment)
        if isinstance(fill, Unusable):
            updates += self._note_unusable(fill)
        elif fill is not None and self._is_followed(fill.account):
            fills.append(fill)
        order = order_of(update, received_at=moment)
        if order is not None and self._is_followed(order.account):
            orders[order.account, order.order_id] = order
        for ended in self._sync.receive(update, now=now, received_at=moment) or ():
            updates += self._ended(ended, now, moment)
        return updates

    def _book(self, fills: Sequence[Fill], now: float, moment: datetime) -> list[Update]:
        updates = self._posting.post_live(fills, now=moment)
        self._checking.note_fills(updates, now)
        for update in updates:
            if isinstance(update, FillUpdate) and "overfill" in update.fill.flags:
                key = PositionKey(update.mode, update.fill.account, update.fill.symbol)
                text = f"order {update.fill.order_id} filled more than its quantity"
                return [*updates, AlertUpdate(kind="overfill", text=text, key=key)]
        return updates

    def _other(self, event: Message | Skipped | Closed, now: float, moment: datetime) -> list[Update]:
        match event:
            case LogonResponse():
                return self._logged_on(event)
            case Logoff() if event.DoNotReconnect:
                self.failure = ConnectionLost(
                    f"the server logged off and asks not to reconnect: {event.Reason or 'no reason given'}"
                )
            case PositionUpdate():
                return self._position(event, now, moment)
            case UserMessage():
                return [AlertUpdate(kind="server", text=event.UserMessage)]
            case AlertMessage():
                return [AlertUpdate(kind="server", text=event.MessageText)]
            case Message():
                ended = self._sync.receive(event, now=now, received_at=moment)
                if ended is None:
                    return self._quotes.receive(event, now, moment)
                return [update for each in ended for update in self._ended(each, now, moment)]
            case Skipped() | Closed():
                pass
        return []

    def _position(self, event: PositionUpdate, now: float, moment: datetime) -> list[Update]:
        ended = self._sync.receive(event, now=now, received_at=moment)
        if ended is not None:
            return [update for each in ended for update in self._ended(each, now, moment)]
        if event.NoPositions:
            return []
        report = reported_of(event)
        if isinstance(report, Unusable):
            return self._note_unusable(report)
        if not self._is_followed(report.account) or report.position_identifier:
            return []
        return self._posting.meet(report.account, now=moment) + self._checking.stated(report, now, moment)

    def _logged_on(self, response: LogonResponse) -> list[Update]:
        text = response.ResultText or "no reason given"
        match response.Result:
            case LogonStatus.SUCCESS:
                self._server_name = response.ServerName
                self._has_logged_on = True
                self._sync.ask_accounts()
            case LogonStatus.RECONNECT_NEW_ADDRESS:
                self.reconnect_address = response.ReconnectAddress
                if not self.reconnect_address:
                    self.failure = LogonRefused(f"the server names no new address to log on to: {text}")
            case _:
                self.failure = LogonRefused(f"the server refused the logon: {text}")
        return []

    def _ended(self, ended: Ended, now: float, moment: datetime) -> list[Update]:
        match ended.topic:
            case Topic.ACCOUNTS:
                return self._accounts(ended, moment)
            case Topic.HISTORY:
                updates = self._checking.history_ended(ended, moment)
                self._backfilled += sum(isinstance(update, FillUpdate) for update in updates)
                return updates
            case Topic.POSITIONS:
                return self._checking.positions_ended(ended, now, moment)
            case Topic.ORDERS:
                return self._open_orders(ended)

    def _accounts(self, ended: Ended, moment: datetime) -> list[Update]:
        updates: list[Update] = []
        if ended.outcome is not Outcome.COMPLETE:
            updates.append(AlertUpdate(kind="sync", text=ended.words))
        names = dict.fromkeys([*ended.accounts, *self._posting.accounts])
        for account in names:
            if self._is_followed(account):
                updates += self._posting.meet(account, now=moment)
                self._checking.ask(account, moment)
        return updates

    def _open_orders(self, ended: Ended) -> list[Update]:
        if ended.outcome is not Outcome.COMPLETE:
            return [AlertUpdate(kind="sync", text=f"account {ended.account}: {ended.words}")]
        told = {order.order_id for order in ended.orders}
        known = [order.order_id for order in self._repository.orders(ended.account) if order.is_working]
        self._repository.remove_orders(ended.account, [order_id for order_id in known if order_id not in told])
        self._repository.put_orders([evolve(order, account=order.account or ended.account) for order in ended.orders])
        return []

    def _fall_due(self, events: Sequence[Message | Skipped | Closed], now: float) -> list[Update]:
        moment = _moment(now)
        updates = self._take(events, now)
        for ended in self._sync.tick(now):
            updates += self._ended(ended, now, moment)
        self._checking.tick(now, moment)
        if self._quotes.is_due(now) or now >= self._refresh_at:
            self._quotes.flush(moment)
        if now >= self._refresh_at:
            self._put_link(now, self.state.value.lower())
        return updates

    def _flushed(self, now: float) -> list[Update]:
        self._quotes.flush(_moment(now))
        return []

    def _pump(self, now: float) -> None:
        """Send the next question, if none is out."""
        if self.state in (State.SYNCING, State.READY):
            while (request := self._sync.next_request(now)) is not None:
                self._connection.send(request)
            self._quotes.pump(now)

    # -- what the caller sees --------------------------------------------------------------------------------------

    def _after(self, before: State, now: float) -> list[Update]:
        """Return what there is to say of the session itself after a call."""
        updates: list[Update] = []
        if self.state is State.SYNCING and self._sync.is_idle and self._checking.is_settled:
            self._connection.synced()
            self.is_synced = True
        if self.state is not before:
            if self.state in _ENDED:
                with self._repository.transaction():
                    self._put_link(now, "lost")
            updates.append(self._told())
        if self.is_synced and self.state is State.READY and before is not State.READY:
            updates.append(
                SyncedUpdate(
                    accounts=len([name for name in self._posting.accounts if self._is_followed(name)]),
                    backfilled=self._backfilled,
                    breaks=len(self.open_breaks),
                    unfinished=self.unfinished,
                )
            )
        return updates

    def _told(self) -> SessionUpdate:
        reason = self._connection.closed_reason if self.state in _ENDED else ""
        return SessionUpdate(
            state=self.state.value.lower(),
            server=self._server_name or self._server,
            encoding=self._connection.encoding.word,
            reason=str(self.failure) if self.failure is not None else reason,
        )

    def _put_link(self, now: float, state: str) -> None:
        heard = self._connection.last_heard_at
        assert self._since is not None
        self._refresh_at = now + _REFRESH_S
        self._repository.put_link(
            Link(
                server=self._server,
                state=state,
                last_heard_at=None if heard is None else _moment(heard),
                heartbeat_interval_s=float(self._heartbeat_interval_s),
                holder_pid=os.getpid(),
                since=self._since,
                encoding=self._connection.encoding.word,
                server_name=self._server_name,
            )
        )

    def _note_unusable(self, fault: Unusable) -> list[Update]:
        self._unusable += 1
        if self._unusable > _UNUSABLE_TOLD_MAX:
            return []
        return [AlertUpdate(kind="unusable", text=f"skipped {fault.reason}")]

    def _is_followed(self, account: str) -> bool:
        return not self._only or account in self._only

    def _publish(self) -> None:
        self.positions = MappingProxyType(dict(self._posting.positions))


def _moment(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)
