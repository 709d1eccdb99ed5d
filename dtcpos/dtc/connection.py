"""One end of a DTC session without any I/O: bytes in, events out; bytes to send, and when to wake.

Invariants:
1. What was valid before a fault is handed out before the fault is raised.
2. A client's `send` refuses every type outside CLIENT_MAY_SEND, in every state.
3. The state changes by the table in `states` and by nothing else, but for CLOSED (line lost) and FAILED (broken).
4. Memory is bounded by one frame and what the last `receive_data` brought.

Drive it so: `start(now)`; after every read `receive_data(received, now)` (b"" at the end of the stream),
`next_event()` until it returns NEED_DATA, and write `data_to_send()`; and call `tick(now)` when `next_deadline()` has
come. `now` is Unix time in seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from dtcpos.dtc.binary import Malformed
from dtcpos.dtc.codec import decode_frame, encode
from dtcpos.dtc.enums import Encoding
from dtcpos.dtc.events import NEED_DATA, Closed, NeedData, Skipped
from dtcpos.dtc.framing import HEADER, FrameBuffer
from dtcpos.dtc.hiding import SECRET_SIZE_MIN, WORDED, without
from dtcpos.dtc.message import HEADER_SIZE, Message
from dtcpos.dtc.messages import (
    MESSAGE_TYPES,
    EncodingRequest,
    EncodingResponse,
    Heartbeat,
    Logoff,
    LogonRequest,
    LogonResponse,
    MarketDataRequest,
    MarketDataSnapshot,
)
from dtcpos.dtc.runs import RUN_TYPE, HistoryRun, run_at
from dtcpos.dtc.states import CLIENT_MAY_SEND, PLAIN_TYPES, TRANSITIONS, Kind, Role, State, kind_of
from dtcpos.dtc.ticks import TRADE_TYPES, LastTick, SessionOf, TickFilter
from dtcpos.dtc.timing import NEVER, Due, silent_at, unanswered_at
from dtcpos.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

Event = Message | HistoryRun | Skipped | Closed | NeedData

# Bytes needed, how to unpack them, and what to make of the values.
PlainReader = tuple[int, Callable[[bytearray, int], tuple[Any, ...]], Callable[[tuple[Any, ...]], Message]]

_ENDED = (State.CLOSED, State.FAILED)
_LOGGED_ON = (State.SYNCING, State.READY)
_OPENING = (State.IDLE, State.NEGOTIATING)


class Connection:
    """One end of a session.

    As a client `encoding` is what to ask for; with `negotiate=False` the server is known to be fixed to it, and the
    session begins with the logon. With `logon` the logon request is sent as soon as it may be; without, the caller
    sends it when the state is LOGGING_ON. As a venue `encoding` is what is spoken until asked otherwise; with
    `negotiate=False` it is all that is ever spoken, and every encoding request is answered with it.
    `ignored` types are dropped unread and counted. With `history_in_runs` historical fills that follow each other in
    binary are one event, a HistoryRun.
    """

    def __init__(
        self,
        role: Role,
        *,
        encoding: Encoding = Encoding.BINARY,
        heartbeat_interval_s: float = 10,
        negotiate: bool = True,
        logon: LogonRequest | None = None,
        ignored: frozenset[int] = frozenset(),
        history_in_runs: bool = False,
    ) -> None:
        self.role = role
        self.state = State.IDLE
        self.heartbeat_interval_s = heartbeat_interval_s
        self.peer_encoding_confirmed = False
        self.skipped: Counter[int | str] = Counter()
        self.last_heard_at: float | None = None
        self.closed_reason = ""
        self._negotiate = negotiate
        self._wanted = encoding
        self._logon = logon
        password = logon.Password if logon is not None else ""
        self._secret = password if len(password) >= SECRET_SIZE_MIN else ""
        self._ignored = ignored
        # Only a server answers.
        has_runs = history_in_runs and role is Role.CLIENT
        self._in_runs = frozenset({RUN_TYPE}) - ignored if has_runs else frozenset()
        starts_binary = negotiate and role is Role.CLIENT
        self._frames = FrameBuffer(Encoding.BINARY if starts_binary else encoding)
        self._frame_encoding = self._frames.encoding
        self._ticks = TickFilter()
        self._plain: dict[int, PlainReader] = {}
        self._symbol_ids: set[int] = set()
        self._to_send = bytearray()
        self._now = 0.0
        self._state_since = 0.0
        self._heartbeat_due_at: float | None = None
        self._incomplete_since: float | None = None
        self._is_eof = False
        self._closing: Closed | None = None
        self._error: ProtocolError | None = None

    @property
    def encoding(self) -> Encoding:
        """The encoding spoken now."""
        return self._frames.encoding

    @property
    def last_tick(self) -> dict[int, LastTick]:
        """The last trade of every watched symbol, by symbol id."""
        return self._ticks.watched

    @property
    def ticks_dropped(self) -> int:
        """Trades of symbols nobody watches, dropped unread."""
        return self._ticks.dropped

    def start(self, now: float) -> None:
        """Begin: the socket is connected. A client asks for its encoding, a venue waits to be asked."""
        assert self.state is State.IDLE
        self._now = self._state_since = self.last_heard_at = now
        if self.role is Role.VENUE:
            return
        if self._negotiate:
            self.send(EncodingRequest(Encoding=self._wanted))
        else:
            self._enter(State.LOGGING_ON)

    def receive_data(self, received: bytes, now: float) -> None:
        """Take bytes from the peer; b"" says that no more will come. Ignored once the session has ended."""
        self._now = now
        if self.state in _ENDED:
            return
        if not received:
            self._is_eof = True
            return
        self.last_heard_at = now
        self._frames.append(received)

    def events(self) -> Iterator[Message | HistoryRun | Skipped | Closed]:
        """Yield events until more bytes are needed; raises as `next_event` does."""
        while True:
            yield from self._plain_messages()
            if not self._is_eof and self._closing is None and self._error is None and not len(self._frames):
                # Nothing of a further message is there: what most reads end with.
                self._incomplete_since = None
                return
            event = self.next_event()
            if isinstance(event, NeedData):
                return
            yield event

    def next_event(self) -> Event:
        """Return the next message, run, Skipped or Closed, or NEED_DATA.

        Raises RemoteProtocolError where framing is broken or the peer spoke out of turn, after everything before the
        fault was handed out; the state is then FAILED, and it is raised again at every call.
        """
        if self._error is not None:
            raise self._error
        if self._plain and (message := next(self._plain_messages(), None)) is not None:
            return message
        while self.state not in _ENDED:
            try:
                frame = self._next_frame()
                if frame is None:
                    break
                event = self._received(*frame)
            except RemoteProtocolError as error:
                self._fail(error)
                raise
            if event is not None:
                return event
        return self._out_of_frames()

    def send(self, message: Message) -> None:
        """Queue a message.

        Raises LocalProtocolError, and queues nothing, where the role or the state forbids it or a value does not fit.
        """
        if self.role is Role.CLIENT and message.type not in CLIENT_MAY_SEND:
            raise LocalProtocolError(f"{message.name} may not be sent: dtcpos only listens")
        kind = kind_of(message, self.role)
        after = TRANSITIONS.get((self.role, self.state, kind)) if kind else None
        if after is None:
            raise LocalProtocolError(f"{message.name} may not be sent by the {self.role.value} in {self.state.value}")
        # Whatever is negotiated, the first request on a connection is binary.
        encoding = Encoding.BINARY if self.state is State.IDLE and kind is Kind.ENCODING_REQUEST else self.encoding
        self._queue(message, encoding, after)

    def data_to_send(self) -> bytes:
        """Return and forget the bytes to be written."""
        queued = bytes(self._to_send)
        self._to_send.clear()
        return queued

    def synced(self) -> None:
        """Say that every awaited batch has ended: SYNCING becomes READY."""
        after = TRANSITIONS.get((Role.CLIENT, self.state, Kind.SYNCED))
        if after is None:
            raise LocalProtocolError(f"there is nothing to end in {self.state.value}")
        self._enter(after)

    def next_deadline(self) -> float | None:
        """Return when `tick` wants to be called next, None for never."""
        return min((due for due in (self._heartbeat_due_at, self._lost_at()[0]) if due is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what has fallen due: send a heartbeat, or give up a peer that is silent or does not answer."""
        self._now = now
        lost_at, reason = self._lost_at()
        if lost_at is not None and now >= lost_at:
            self._close(reason)
        elif self._heartbeat_due_at is not None and now >= self._heartbeat_due_at:
            self._heartbeat_due_at = now + self.heartbeat_interval_s
            self.send(Heartbeat(CurrentDateTime=int(now)))

    def keep_tapes(self, session_of: SessionOf) -> None:
        """Keep the tape of every watched symbol from now on, in its `last_tick`, session by session."""
        self._ticks.session_of = session_of

    def watch(self, symbol_id: int, low: float, high: float) -> None:
        """Keep trades of this symbol between `low` and `high` as its `last_tick` only, without an event.

        From the first call on, trades of symbols nobody watches are dropped and counted. A trade outside the band is
        remembered as the last tick too, and becomes an event.
        """
        self._ticks.watch(symbol_id, low, high)

    def unwatch(self, symbol_id: int) -> None:
        """Drop the trades of this symbol from now on."""
        self._ticks.watched.pop(symbol_id, None)

    def watch_none(self) -> None:
        """Drop the trades of every symbol from now on."""
        self._ticks.is_active = True
        self._ticks.watched.clear()

    def _plain_messages(self) -> Iterator[Message | HistoryRun]:
        """Yield messages as long as they are whole, binary, and nothing comes of them; decided by the table once.

        Measured: 1.0 µs an ORDER_UPDATE, of which 0.4 µs are the bare `struct`; the way through the table takes 3 µs.
        """
        frames, plain, header_of = self._frames, self._plain, HEADER.unpack_from
        while plain is self._plain and self._error is None:
            buffer, position = frames.buffer, frames.position
            waiting = len(buffer) - position
            if waiting < HEADER_SIZE:
                return
            size, type_ = header_of(buffer, position)
            reader = plain.get(type_)
            if reader is None:
                if plain and type_ in self._in_runs and (found := run_at(buffer, position)) is not None:
                    run, frames.position = found
                    self._incomplete_since = None
                    yield run
                elif not self._ticks.is_active or not self._absorb_ticks():
                    return
                continue
            needed, values_of, message_of = reader
            if not needed <= size <= waiting:
                return
            frames.position = position + size
            self._incomplete_since = None
            yield message_of(values_of(buffer, position))

    def _absorb_ticks(self) -> bool:
        """Take ticks off the front of the stream; False if none was there to take."""
        frames = self._frames
        position = self._ticks.absorb(frames.buffer, frames.position)
        if position == frames.position:
            return False
        frames.position = position
        self._incomplete_since = None
        return True

    def _plain_readers(self) -> dict[int, PlainReader]:
        if self.encoding is not Encoding.BINARY:
            return {}
        types = PLAIN_TYPES.get((self.role.peer, self.state), frozenset())
        if self._secret:
            types -= WORDED
        kinds = [MESSAGE_TYPES[type_] for type_ in types - TRADE_TYPES - self._ignored - self._in_runs]
        return {
            kind.type: (kind.fixed.whole_size, kind.fixed.unpack_from, kind.of_raw)
            for kind in kinds
            if not kind.not_in_fixed
        }

    def _next_frame(self) -> tuple[int, int, Encoding] | None:
        frames = self._frames
        if self._ticks.is_active and frames.encoding < Encoding.JSON and self.state in _LOGGED_ON:
            self._absorb_ticks()
        elif self.state in _OPENING and not frames.encoding.is_text and frames.buffer.startswith(b"{", frames.position):
            # A peer fixed to JSON speaks it at once. As a size, "{" and '"' would be longer than any message here.
            frames.encoding = self._wanted if self._wanted.is_text else Encoding.JSON
        return frames.next_frame()

    def _received(self, start: int, end: int, encoding: Encoding) -> Message | Skipped | None:
        self._incomplete_since = None
        size = end - start
        frames = self._frames
        if self._ignored and not encoding.is_text:
            type_ = frames.buffer[start + 2] | frames.buffer[start + 3] << 8
            if type_ in self._ignored:
                self.skipped[type_] += 1
                return None
        try:
            type_, message = decode_frame(frames.buffer, start, end, encoding, self._symbol_ids)
        except Malformed as fault:
            return self._skip(fault.reason, fault.type, size, fault.detail)
        if message is None:
            return self._skip("unknown type", type_, size)
        if type_ in self._ignored:
            self.skipped[type_] += 1
            return None
        if type_ in TRADE_TYPES and self._ticks.is_active and self.state in _LOGGED_ON:
            passes = self._ticks.passes(message)
            if passes is None:
                return self._skip("not finite", type_, size)
            return message if passes else None
        self._frame_encoding = encoding
        return self._heard(message, size)

    def _heard(self, message: Message, size: int) -> Message | Skipped:
        if self._secret and message.type in WORDED:
            message = without(message, self._secret)
        speaker = self.role.peer
        kind = kind_of(message, speaker)
        if kind is None:
            return self._skip("not served", message.type, size)
        after = TRANSITIONS.get((speaker, self.state, kind))
        if after is None:
            raise RemoteProtocolError(f"{message.name} is out of turn: the session is {self.state.value}")
        if kind is not Kind.SERVED:
            self._follow(message, after)
        elif message.type == MarketDataSnapshot.type:
            self._symbol_ids.add(message.SymbolID)  # type: ignore[attr-defined]
        return message

    def _follow(self, message: Message, after: State) -> None:
        """Do what a message of the session itself asks for."""
        match message:
            case EncodingResponse():
                self._switch(message.Encoding)
                self._plain = self._plain_readers()
                self.peer_encoding_confirmed = True
            case LogonResponse() if "Result" in message.absent:
                # A frame cut before its result must not count as success, which is the constructor's default.
                raise RemoteProtocolError("the logon response ends before its result")
            case Logoff():
                self._close(f"the peer logged off: {message.Reason or 'no reason given'}")
                return
            case LogonResponse() if after is State.CLOSED:
                self._close(f"the logon was refused: {message.ResultText or 'no reason given'}")
                return
            case LogonRequest() if self.role is Role.VENUE:
                self.heartbeat_interval_s = message.HeartbeatIntervalInSeconds
        self._enter(after)
        if isinstance(message, EncodingRequest):
            self._answer(message)

    def _answer(self, request: EncodingRequest) -> None:
        """As the venue, answer an encoding request in the encoding it came in, and speak the agreed one after."""
        try:
            wanted = Encoding(request.Encoding)
        except ValueError:
            wanted = self.encoding
        agreed = wanted if self._negotiate else self._wanted
        response = EncodingResponse(Encoding=agreed)
        after = TRANSITIONS[Role.VENUE, self.state, Kind.ENCODING_RESPONSE]
        self._queue(response, self._frame_encoding, after)
        self._frames.encoding = agreed
        self._plain = self._plain_readers()
        self.peer_encoding_confirmed = True

    def _switch(self, number: int) -> None:
        try:
            self._frames.encoding = Encoding(number)
        except ValueError as error:
            raise RemoteProtocolError(f"the server chose encoding {number}, which dtcpos cannot read") from error

    def _queue(self, message: Message, encoding: Encoding, after: State) -> None:
        self._to_send += encode(message, encoding)
        if isinstance(message, MarketDataRequest):
            self._symbol_ids.add(message.SymbolID)
        if after is State.CLOSED:
            self._end(State.CLOSED, f"{message.name} sent")
        else:
            self._enter(after)

    def _enter(self, state: State) -> None:
        if state is self.state:
            return
        self.state = state
        self._state_since = self._now
        self._plain = self._plain_readers()
        if state is State.SYNCING and self.heartbeat_interval_s > 0:
            self._heartbeat_due_at = self._now + self.heartbeat_interval_s
        if state is State.LOGGING_ON and self._logon is not None and self.role is Role.CLIENT:
            self.send(self._logon)

    def _skip(self, reason: str, type_: int | None, size: int, detail: str = "") -> Skipped:
        # Counted by number where the type is all that is strange; both sets of keys are bounded.
        self.skipped[type_ if reason in ("unknown type", "not served") and type_ is not None else reason] += 1
        return Skipped(reason=reason, type=type_, size=size, detail=detail)

    def _out_of_frames(self) -> Closed | NeedData:
        if self._is_eof and self.state not in _ENDED:
            tail = f" in the middle of a message ({len(self._frames)} bytes)" if len(self._frames) else ""
            self._close(f"the peer closed the connection{tail}")
        if self._closing is not None:
            closed, self._closing = self._closing, None
            return closed
        if not len(self._frames):
            self._incomplete_since = None
        elif self._incomplete_since is None:
            self._incomplete_since = self._now
        return NEED_DATA

    def _lost_at(self) -> Due:
        if self.last_heard_at is None:
            return NEVER
        if self.state in _LOGGED_ON:
            return silent_at(self.heartbeat_interval_s, self.last_heard_at, self._incomplete_since)
        return unanswered_at(self.state, self._state_since)

    def _close(self, reason: str) -> None:
        self._end(State.CLOSED, reason)
        self._closing = Closed(reason=reason)

    def _fail(self, error: RemoteProtocolError) -> None:
        self._error = error
        self._end(State.FAILED, str(error))

    def _end(self, state: State, reason: str) -> None:
        self.state = state
        self.closed_reason = reason
        self._plain = {}
        self._heartbeat_due_at = None
        self._frames.clear()
