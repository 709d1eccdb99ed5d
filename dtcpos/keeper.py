"""Keep the truth of a server, session after session: bytes in, durable updates out.

Invariants:
1. Everything one `receive_data` call brought is booked in one transaction, and no update is returned before its commit.
2. `positions` always equals what is committed, as one immutable mapping swapped whole.
3. What the peer did before it broke the protocol is booked before the fault is reported.

No socket, no thread, no clock: the caller owns them and passes `now`, Unix time in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from attrs import evolve

from dtcpos.dtc import Encoding, Logoff, LogonRequest, State
from dtcpos.errors import DtcposError
from dtcpos.keeping.answers import Policy
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.session import Session, Wants, moment_of_clock
from dtcpos.keeping.snapshots import Feed
from dtcpos.keeping.sync import Event
from dtcpos.model import Break, Link, Position, PositionKey, Terms
from dtcpos.settings import TradingDay
from dtcpos.store import PositionRepository, WriterLock
from dtcpos.updates import AlertUpdate, SessionUpdate, Update

HEARTBEAT_INTERVAL_S = 10
REQUEST_TIMEOUT_S = 10.0
HISTORY_DAYS = 30.0
# How often the link's row is refreshed and other processes' writes are looked for.
_REFRESH_S = 0.9


class PositionKeeper:
    """Follow one DTC server and keep the ledger true to it.

    Call `start` when the socket is connected, send `data_to_send`, feed `receive_data` (b"" at the end of the stream),
    and call `tick` when `next_deadline` has come; `stop` at the end. After the connection is lost, `start` begins the
    next session. Raises LedgerLocked from `start` if another process keeps this ledger, and other LedgerErrors from
    any call that cannot write; nothing of such a call is booked or returned.

    `mode_rules` maps account names or patterns to modes, `instrument_rules` symbols or roots to what a person states of
    them, `accounts` limits what is followed, `history_days` is how far
    back the first contact with an account asks. `symbols` are subscribed even while they are not held, so that the
    figures of a `trading_day` are known from its first trade on; `snapshot_feed` gives another program's figures for a
    symbol instead, None where it has none. `policy` says what to do about breaks without being asked, and
    `close_price` is the display price of the policy `close`.
    """

    def __init__(  # noqa: PLR0913 - one keyword per thing a user may choose about a session
        self,
        repository: PositionRepository,
        *,
        mode_rules: Mapping[str, str] | None = None,
        instrument_rules: Mapping[str, Terms] | None = None,
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
        symbols: Iterable[str] = (),
        trading_day: TradingDay | None = None,
        snapshot_feed: Feed | None = None,
        one_position_per_account: bool = True,
        policy: Policy = Policy.REPORT,
        close_price: Decimal | None = None,
    ) -> None:
        self._repository = repository
        self._server = server
        self._posting = Posting(
            repository,
            mode_rules=mode_rules,
            instrument_rules=instrument_rules,
            one_position_per_account=one_position_per_account,
        )
        self._wants = Wants(
            encoding=encoding,
            negotiate=negotiate,
            logon=LogonRequest(
                Username=username,
                Password=password,
                HeartbeatIntervalInSeconds=heartbeat_interval_s,
                ClientName="dtcpos",
            ),
            accounts=frozenset(accounts),
            history_days=history_days,
            request_timeout_s=request_timeout_s,
            market_data=market_data,
            symbols=tuple(symbols),
            trading_day=trading_day or TradingDay(),
            feed=snapshot_feed,
            policy=policy,
            close_price=close_price,
        )
        self._session = Session(repository, self._posting, self._wants)
        self._lock: WriterLock | None = None
        self._file_version: int | None = None
        self._since: datetime | None = None
        self._refresh_at = 0.0
        self.is_synced = False
        self.positions: Mapping[PositionKey, Position] = MappingProxyType({})
        self._publish()

    @property
    def state(self) -> State:
        """How far the session has come."""
        return self._session.state

    @property
    def failure(self) -> DtcposError | None:
        """Why the session must not simply be taken up again: refused, sent away, or the protocol broken."""
        return self._session.failure

    @property
    def reconnect_address(self) -> str:
        """Where the server asked us to log on instead, as it wrote it; empty if it did not."""
        return self._session.reconnect_address

    @property
    def has_logged_on(self) -> bool:
        """Whether the server let us in, in this session."""
        return self._session.has_logged_on

    @property
    def lost_because(self) -> str:
        """Why the session ended, empty while it has not."""
        return self._session.connection.closed_reason

    @property
    def open_breaks(self) -> Sequence[Break]:
        """The breaks nobody has answered."""
        return self._session.checking.open_breaks

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The questions of this session that had no whole answer, in words."""
        return self._session.unfinished

    @property
    def skipped(self) -> int:
        """Messages passed over in this session because they were unknown, malformed or not to be meant."""
        return self._session.unusable + sum(self._session.connection.skipped.values())

    def speak(self, encoding: Encoding, *, negotiate: bool) -> None:
        """Choose the encoding of the next session; without `negotiate` the server is taken to be fixed to it."""
        self._wants = evolve(self._wants, encoding=encoding, negotiate=negotiate)

    def claim(self, *, now: float) -> None:
        """Become the one process that keeps this ledger; `start` does it too. Raises LedgerLocked."""
        if self._lock is None and isinstance(self._repository.path, Path):
            lock = WriterLock(self._repository.path)
            lock.acquire(now)
            self._lock = lock

    def start(self, *, now: float) -> list[Update]:
        """Begin a session on a connected socket."""
        self.claim(now=now)
        self._posting.reload()
        self._session = Session(self._repository, self._posting, self._wants)
        self._session.connection.start(now)
        self._since = moment_of_clock(now)
        self.is_synced = False
        with self._repository.transaction():
            updates = self._posting.apply_rules(now=self._since)
            self._put_link(now, self._state_word())
        self._publish()
        return [self._told(), *updates]

    def receive_data(self, data: bytes, *, now: float) -> list[Update]:
        """Take bytes from the server, b"" for the end of the stream, and return what has become true and durable.

        A broken protocol does not raise: the session ends, `failure` holds the error, and what came before it stands.
        """
        before = self.state
        self._session.connection.receive_data(data, now)
        events = self._session.events()
        # Most reads bring nothing but ticks that change nothing: those cost no transaction.
        first = next(events, None)
        if first is not None:
            first = self._session.gather(first, events, now)
        updates: list[Update] = []
        if first is not None:
            updates = self._durable(lambda: self._session.take(chain([first], events), now), now)
        return updates + self._after(before, now)

    def data_to_send(self) -> bytes:
        """Return and forget the bytes owed to the server."""
        return self._session.connection.data_to_send()

    def next_deadline(self) -> float | None:
        """Return when `tick` wants to be called, None where there is nothing to wait for."""
        if self._session.is_over or self.state is State.IDLE:
            return None
        due = self._session.next_deadline()
        return self._refresh_at if due is None else min(due, self._refresh_at)

    def tick(self, *, now: float) -> list[Update]:
        """Do what has fallen due: heartbeats, timeouts, comparisons, excursions, what other processes wrote."""
        before = self.state
        if self._session.is_over or before is State.IDLE:
            return []
        self._session.connection.tick(now)
        events = self._session.events()
        return self._durable(lambda: self._fallen_due(events, now), now) + self._after(before, now)

    def stop(self, *, now: float) -> list[Update]:
        """End the session in order: the logoff is in `data_to_send`, and the ledger is anyone's to keep again."""
        updates: list[Update] = []
        if not self._session.is_over and self.state is not State.IDLE:
            updates += self._end("closed", now)
            if self.state in (State.SYNCING, State.READY):
                self._session.connection.send(Logoff(Reason="dtcpos is stopping"))
            updates.append(SessionUpdate(state="closed", server=self._server, reason="stopped"))
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        return updates

    def _durable(self, work: Callable[[], list[Update]], now: float) -> list[Update]:
        """Do work in one transaction and return its updates when the disk has them."""
        try:
            with self._repository.transaction():
                updates = self._notice_other_writers() + work()
                self._session.pump(now)
        except DtcposError:
            # What was remembered may be of rows that were rolled back.
            self._file_version = None
            raise
        self._publish()
        return updates

    def _notice_other_writers(self) -> list[Update]:
        """Read again what another process has changed, and return what there is to say of it."""
        version = self._repository.data_version()
        if version == self._file_version:
            return []
        is_first = self._file_version is None
        before = self._posting.positions
        self._posting.reload()
        self._session.reload()
        self._file_version = version
        return [] if is_first else _changes(before, self._posting.positions)

    def _fallen_due(self, events: Iterable[Event], now: float) -> list[Update]:
        updates = self._session.take(events, now) + self._session.fall_due(now)
        if now >= self._refresh_at:
            if self._lock is not None:
                self._lock.confirm(now)
            self._session.flush(now)
            self._put_link(now, self._state_word())
        return updates

    def _end(self, state: str, now: float) -> list[Update]:
        """Write what was only remembered and how the line ended; what another process has changed stands."""
        with self._repository.transaction():
            updates = self._notice_other_writers()
            self._session.flush(now)
            self._put_link(now, state)
        self._publish()
        return updates

    def _after(self, before: State, now: float) -> list[Update]:
        """Return what there is to say of the session itself after a call."""
        synced = self._session.settle()
        updates: list[Update] = []
        if self.state is not before:
            if self._session.is_over:
                updates += self._end("closed" if self._session.has_logged_off else "lost", now)
            updates.append(self._told())
        if synced is not None:
            self.is_synced = True
            updates.append(synced)
        return updates

    def _told(self) -> SessionUpdate:
        reason = self.lost_because if self._session.is_over else ""
        return SessionUpdate(
            state=self._state_word(),
            server=self._session.server_name or self._server,
            encoding=self._session.connection.encoding.word,
            reason=str(self.failure) if self.failure is not None else reason,
        )

    def _state_word(self) -> str:
        return self.state.value.lower()

    def _put_link(self, now: float, state: str) -> None:
        heard = self._session.connection.last_heard_at
        assert self._since is not None
        self._refresh_at = now + _REFRESH_S
        self._repository.put_link(
            Link(
                server=self._server,
                state=state,
                last_heard_at=None if heard is None else moment_of_clock(heard),
                heartbeat_interval_s=float(self._wants.logon.HeartbeatIntervalInSeconds),
                holder_pid=os.getpid(),
                since=self._since,
                encoding=self._session.connection.encoding.word,
                server_name=self._session.server_name,
            )
        )

    def _publish(self) -> None:
        self.positions = MappingProxyType(dict(self._posting.positions))


def _changes(before: Mapping[PositionKey, Position], after: Mapping[PositionKey, Position]) -> list[Update]:
    updates: list[Update] = []
    for key in sorted(before.keys() | after.keys()):
        was, now_is = before.get(key), after.get(key)
        if was == now_is or (was is not None and now_is is not None and was.signed_quantity == now_is.signed_quantity):
            continue
        words = [f"{position.signed_quantity:+f}" if position is not None else "flat" for position in (was, now_is)]
        updates.append(
            AlertUpdate(kind="changed", text=f"corrected by another process: {words[0]} to {words[1]}", key=key)
        )
    return updates
