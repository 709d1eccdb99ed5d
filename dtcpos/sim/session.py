"""One client's session with the venue, without any I/O: bytes in, bytes out, `now` an argument.

Drive it so: `start(now)`; `receive_data(data, now)` for what arrives, b"" at the end of the stream; write
`data_to_send()` after every call; call `tick(now)` when `next_deadline()` has come. When `closed` is true and nothing
is left to send, close the line.
"""

from __future__ import annotations

from dtcpos.dtc import (
    Closed,
    Connection,
    Encoding,
    FeedStatus,
    Heartbeat,
    Logoff,
    LogonRequest,
    LogonResponse,
    LogonStatus,
    MarketDataFeedStatus,
    MarketDataReject,
    MarketDataRequest,
    Message,
    RequestAction,
    Role,
    Skipped,
    State,
    UserMessage,
    encode,
)
from dtcpos.errors import RemoteProtocolError
from dtcpos.sim import steps
from dtcpos.sim.answers import KIND_OF, answer, reject
from dtcpos.sim.market import market_message, snapshot
from dtcpos.sim.performance import Performance
from dtcpos.sim.steps import LineStep, Start
from dtcpos.sim.venue import News

_STEPS_AT_START_MAX = 64
_LOGGED_ON = (State.SYNCING, State.READY)


class VenueSession:
    """A client's connection as the venue sees it.

    `fixed_encoding` is the encoding the server is set to, whatever the client asks for; None leaves it to the dialogue.
    """

    def __init__(self, performance: Performance, *, fixed_encoding: Encoding | None = None) -> None:
        self.closed = False
        self.closed_reason = ""
        self.requests: list[Message] = []
        self._performance = performance
        self._dialogue = performance.dialogue
        encoding = self._dialogue.fixed_encoding if fixed_encoding is None else fixed_encoding
        self._connection = Connection(
            Role.VENUE,
            encoding=Encoding.BINARY if encoding is None else encoding,
            negotiate=encoding is None,
        )
        self._to_send = bytearray()
        self._symbol_ids: dict[str, set[int]] = {}
        self._started_at: float | None = None
        self._logged_on_at: float | None = None
        self._asked_at = 0.0
        self._beat_due_at: float | None = None
        self._is_silent = False
        self._cut_octets: int | None = None
        self._messages_left: int | None = None

    def start(self, now: float) -> None:
        """Begin: a client has connected."""
        self._started_at = now
        self._connection.start(now)
        self._performance.join(self)
        if self._performance.is_finished:
            self._close("the dialogue has ended")
        # A script that starts with the connection may cut its very first frame.
        self._performance.tick(now, steps_max=_STEPS_AT_START_MAX)

    def receive_data(self, received: bytes, now: float) -> None:
        """Take bytes from the client and answer what they ask."""
        if self.closed:
            return
        self._connection.receive_data(received, now)
        self._read(now)

    def data_to_send(self) -> bytes:
        """Return and forget the bytes to be written."""
        octets = bytes(self._to_send)
        self._to_send.clear()
        return octets

    def next_deadline(self) -> float | None:
        """Return when `tick` wants to be called next, None for never."""
        return min((due for due in (self.line_deadline(), self._performance.next_deadline()) if due), default=None)

    def tick(self, now: float) -> None:
        """Send heartbeats that are due, give up a silent client, and let the script go on."""
        self.beat(now)
        self._performance.tick(now)

    def line_deadline(self) -> float | None:
        """Return when `beat` wants to be called next; the part of `next_deadline` that is this session's own."""
        if self.closed:
            return None
        dues = (self._connection.next_deadline(), self._beat_due_at)
        return min((due for due in dues if due is not None), default=None)

    def beat(self, now: float) -> None:
        """Do the part of `tick` that is this session's own, for a driver of several sessions."""
        if self.closed:
            return
        self._connection.tick(now)
        self._write(self._connection.data_to_send())
        if self._beat_due_at is not None and now >= self._beat_due_at and self._dialogue.heartbeat_s:
            self._beat_due_at = now + self._dialogue.heartbeat_s
            self._send(Heartbeat(CurrentDateTime=int(now)))
        self._read(now)

    def ready_at(self, start: Start) -> float | None:
        """Return when the client counts as there, None while it does not."""
        if self.closed or self._is_silent:
            return None
        if start is Start.CONNECT:
            return self._started_at
        if start is Start.QUIET and self._logged_on_at is not None:
            return self._asked_at + self._dialogue.quiet_s
        return self._logged_on_at

    def hear(self, news: list[News], now: float) -> None:
        """Tell the client what happened at the venue, if it is logged on."""
        for item in news:
            if self._connection.state not in _LOGGED_ON:
                return
            if isinstance(item, Message):
                self._send(item)
                continue
            for symbol_id in sorted(self._symbol_ids.get(item.symbol, ())):
                self._send(market_message(self._performance.venue, item, symbol_id, now))

    def suffer(self, step: LineStep, now: float) -> None:
        """Do to this connection what a step says."""
        match step:
            case steps.Say():
                self._send(UserMessage(UserMessage=step.text, IsPopupMessage=0))
            case steps.Send():
                self._write(encode(step.message, self._connection.encoding))
            case steps.Garbage():
                self._write(step.octets)
            case steps.Silent():
                self._is_silent = True
            case steps.Cut():
                self._cut_octets = step.octets
            case steps.Drop():
                self._messages_left = step.after_messages
                if not step.after_messages:
                    self._close("dropped by the dialogue")
            case steps.Logoff():
                self._send(Logoff(Reason=step.reason, DoNotReconnect=int(step.forbids_reconnect)))
                self._close(step.reason)
            case steps.Stop():
                self._send(Logoff(Reason=step.reason, DoNotReconnect=1))
                self._close(step.reason)

    def _read(self, now: float) -> None:
        try:
            for event in self._connection.events():
                self._write(self._connection.data_to_send())
                match event:
                    case Closed():
                        self._close(event.reason)
                    case Skipped():
                        pass
                    case LogonRequest():
                        self._log_on(event, now)
                    case Message():
                        self._asked(event, now)
                if self.closed:
                    return
        except RemoteProtocolError as error:
            self._close(str(error))
        self._write(self._connection.data_to_send())

    def _asked(self, request: Message, now: float) -> None:
        kind = KIND_OF.get(type(request))
        if kind is None:
            return
        self.requests.append(request)
        self._asked_at = now
        conduct = self._performance.conduct
        if kind in conduct.unanswered:
            return
        if kind in conduct.rejected:
            self._send(reject(request, conduct.rejected[kind]))
            return
        if isinstance(request, MarketDataRequest):
            self._subscribe(request)
            return
        cut = conduct.cuts.pop(kind, None)
        batch = answer(self._performance.venue, request, now)
        for message in batch if cut is None else batch[: cut.messages]:
            self._send(message)
        if cut is not None and not cut.stays:
            self._close("cut in the middle of a batch by the dialogue")

    def _subscribe(self, request: MarketDataRequest) -> None:
        venue = self._performance.venue
        if request.RequestAction == RequestAction.UNSUBSCRIBE:
            for symbol_ids in self._symbol_ids.values():
                symbol_ids.discard(request.SymbolID)
            return
        if not self._dialogue.market_data:
            self._send(MarketDataReject(SymbolID=request.SymbolID, RejectText="market data is not supported"))
        elif not venue.knows(request.Symbol):
            text = f"unknown symbol {request.Symbol}"
            self._send(MarketDataReject(SymbolID=request.SymbolID, RejectText=text))
        else:
            if request.RequestAction == RequestAction.SUBSCRIBE:
                self._symbol_ids.setdefault(request.Symbol, set()).add(request.SymbolID)
            self._send(snapshot(venue, request.Symbol, request.SymbolID))

    def _log_on(self, request: LogonRequest, now: float) -> None:
        refusal = self._refusal(request)
        if refusal is not None:
            self._send(refusal)
            self._close(refusal.ResultText)
            return
        self._logged_on_at = self._asked_at = now
        self._send(
            LogonResponse(
                Result=LogonStatus.SUCCESS,
                ServerName=self._dialogue.server_name,
                TradingIsSupported=int(self._dialogue.trading),
                OCOOrdersSupported=1,
                BracketOrdersSupported=1,
                SecurityDefinitionsSupported=1,
                MarketDataSupported=int(self._dialogue.market_data),
            )
        )
        if self._dialogue.heartbeat_s:
            self._beat_due_at = now + self._dialogue.heartbeat_s
        if self._dialogue.market_data:
            self._send(MarketDataFeedStatus(Status=FeedStatus.AVAILABLE))

    def _refusal(self, request: LogonRequest) -> LogonResponse | None:
        refused = self._performance.conduct.logon
        credentials = self._dialogue.credentials
        if isinstance(refused, steps.ReconnectTo):
            return LogonResponse(
                Result=LogonStatus.RECONNECT_NEW_ADDRESS,
                ResultText="reconnect to another address",
                ReconnectAddress=refused.address,
            )
        if refused is not None:
            result = LogonStatus.ERROR_NO_RECONNECT if refused.forbids_reconnect else LogonStatus.ERROR
            return LogonResponse(Result=result, ResultText=refused.text)
        if credentials is not None and credentials != (request.Username, request.Password):
            return LogonResponse(Result=LogonStatus.ERROR, ResultText="user name or password is wrong")
        return None

    def _send(self, message: Message) -> None:
        if not self.closed and self._connection.state not in (State.IDLE, State.CLOSED, State.FAILED):
            self._connection.send(message)
            self._write(self._connection.data_to_send())

    # Every frame leaves by this one door, so that faults count and cut frames and never what happens to be buffered.
    def _write(self, frame: bytes) -> None:
        if not frame or self.closed or self._is_silent:
            return
        if self._cut_octets is not None:
            self._to_send += frame[: self._cut_octets]
            self._close("cut in the middle of a frame by the dialogue")
            return
        self._to_send += frame
        if self._messages_left is not None:
            self._messages_left -= 1
            if self._messages_left <= 0:
                self._close("dropped by the dialogue")

    def _close(self, reason: str) -> None:
        if not self.closed:
            self.closed = True
            self.closed_reason = reason
            self._performance.leave(self)
