"""Look at a server from outside: connect, negotiate, log on, ask, log off, and return what was seen.

The socket is `client`'s and the clock is the caller's. What fails is a part of what is seen, never an exception.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import evolve, frozen

from dtcpos.client import Address, Line, address_of, is_unknown_host
from dtcpos.diagnosis.interview import Interview
from dtcpos.diagnosis.sight import Attempt, Peer, Reach, Sight, Tls
from dtcpos.dtc import (
    DEPTH_TYPES,
    QUOTE_TYPES,
    AlertMessage,
    Closed,
    Connection,
    Encoding,
    GeneralLogMessage,
    Logoff,
    LogonRequest,
    LogonResponse,
    LogonStatus,
    Message,
    Role,
    State,
    UserMessage,
)
from dtcpos.errors import DtcposError, LocalProtocolError, RemoteProtocolError

Clock = Callable[[], float]

# The shortest interval the documentation allows: the first heartbeat tells the server's time.
HEARTBEAT_S = 5
_WHOLE_S_MAX = 90.0
_HEARD_MAX = 60
# A server that did not answer in the time it was given is asked in other encodings without waiting as long again.
_OTHERS_S_MAX = 2.0
_SHOWN_OF_SECRET = 3
_BEGINNINGS = ((b"HTTP/", Peer.HTTP), (b"<", Peer.HTTP), (b"SSH-", Peer.SSH), (b"\x15\x03", Peer.TLS))
_LOGGED_ON = (State.SYNCING, State.READY)
# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h, then not yet valid, has expired.
_WRONG_NAME, _OUT_OF_DATE = (62, 64), (9, 10)
# Of Python, in front of the words of some of its errors; nobody who trades can use it.
_PLACE_IN_SOURCE = re.compile(r"^_ssl\.c:\d+: *")


@frozen(kw_only=True)
class Plan:
    """How to look at a server: where, as whom, in which encodings in turn, and how long to wait for each answer."""

    address: Address
    encodings: Sequence[tuple[Encoding, bool]]
    asked: Encoding | None = None
    username: str = ""
    password: str = ""
    market_data: bool = True
    symbols: Sequence[str] = ()
    timeout_s: float = 5.0


def examine(plan: Plan, clock: Clock) -> Sight:
    """Look at a server once, following it to another address if it says so."""
    sight = _look(plan, clock)
    elsewhere = sight.logon.ReconnectAddress if sight.logon is not None and _is_sent_away(sight.logon) else ""
    if not elsewhere:
        return sight
    try:
        there = address_of(elsewhere, default=plan.address)
    except DtcposError:
        return sight
    return evolve(_look(evolve(plan, address=there), clock), sent_from=sight.address)


def _is_sent_away(logon: LogonResponse) -> bool:
    return logon.Result == LogonStatus.RECONNECT_NEW_ADDRESS


def _look(plan: Plan, clock: Clock) -> Sight:
    address = plan.address
    sight = Sight(
        address=str(address),
        port=address.port,
        is_local=address.host in ("localhost", "::1") or address.host.startswith("127."),
        wants_tls=address.tls is not None,
        username=plan.username,
        asked=plan.asked,
        timeout_s=plan.timeout_s,
    )
    attempts: list[Attempt] = []
    for encoding, negotiate in plan.encodings:
        try:
            with _line(address, plan.timeout_s) as line:
                sight = evolve(sight, tls=Tls.SPOKEN if sight.wants_tls else Tls.UNTRIED)
                attempt, sight = _attempt(line, plan, (encoding, negotiate), sight, clock)
        except OSError as error:
            if attempts:
                # It was there a moment ago; what it said then counts.
                break
            return _unreached(sight, plan, error)
        attempts.append(attempt)
        plan = evolve(plan, timeout_s=min(plan.timeout_s, _OTHERS_S_MAX))
        if attempt.peer in (Peer.ADMITTED, Peer.ELSEWHERE, Peer.REFUSED) or not _is_worth_another(attempt):
            break
        if len(attempts) == 1 and not sight.wants_tls and _speaks_tls(address, plan.timeout_s):
            sight = evolve(sight, is_tls_behind=True)
            break
    return evolve(sight, attempts=tuple(attempts), is_tls_behind=sight.is_tls_behind or attempts[-1].peer is Peer.TLS)


def _is_worth_another(attempt: Attempt) -> bool:
    """Return whether another encoding may do better: a foreign protocol stays so, and one agreed upon is right."""
    return attempt.spoken is None and attempt.peer in (Peer.SILENT, Peer.CLOSED, Peer.BROKEN)


@contextmanager
def _line(address: Address, timeout_s: float) -> Iterator[Line]:
    line = Line(address, timeout_s=timeout_s)
    try:
        yield line
    finally:
        line.close()


def _unreached(sight: Sight, plan: Plan, error: OSError) -> Sight:
    """Say why there is no connection; where TLS is what failed, whether the port answers without."""
    words = error.strerror or str(error) or type(error).__name__
    wants_tls = plan.address.tls is not None
    plain = evolve(plan.address, tls=None)
    if wants_tls and (kind := _tls_failure(error)) is not None:
        behind = kind is Tls.NOT_SPOKEN and _speaks_plainly(plain, plan.timeout_s)
        if isinstance(error, TimeoutError) and not behind and not _is_open(plain, plan.timeout_s):
            return evolve(sight, reach=Reach.TIMEOUT, reach_words=words)
        return evolve(sight, tls=kind, tls_words=_certificate_words(error, words), is_plain_behind=behind)
    if isinstance(error, ConnectionRefusedError):
        reach = Reach.REFUSED
    elif isinstance(error, TimeoutError):
        reach = Reach.TIMEOUT
    elif is_unknown_host(error):
        reach = Reach.UNKNOWN_HOST
    else:
        reach = Reach.UNREACHABLE
    return evolve(sight, reach=reach, reach_words=words)


def _tls_failure(error: OSError) -> Tls | None:
    """Return what a failed handshake means, None where the connection itself failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _WRONG_NAME:
            return Tls.WRONG_NAME
        return Tls.OUT_OF_DATE if error.verify_code in _OUT_OF_DATE else Tls.UNTRUSTED
    if isinstance(error, ssl.SSLEOFError | TimeoutError | ConnectionResetError | BrokenPipeError):
        # A server without TLS waits for the rest of what it takes for a long message, or hangs up.
        return Tls.NOT_SPOKEN
    if isinstance(error, ssl.SSLError):
        return Tls.NOT_SPOKEN if error.reason == "WRONG_VERSION_NUMBER" else Tls.FAILED
    return None


def _certificate_words(error: OSError, words: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message).rstrip(".")
    return _PLACE_IN_SOURCE.sub("", str(getattr(error, "reason", "") or words)).replace("_", " ").lower()


def _is_open(address: Address, timeout_s: float) -> bool:
    try:
        with _line(address, timeout_s):
            return True
    except OSError:
        return False


def _speaks_tls(address: Address, timeout_s: float) -> bool:
    """Return whether a port that did not answer a plain client shakes hands; nothing is sent behind the handshake."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _line(evolve(address, tls=context), timeout_s):
            return True
    except OSError:
        return False


def _speaks_plainly(address: Address, timeout_s: float) -> bool:
    """Return whether a port that shook no hands answers an encoding request, which tells it nothing of anybody."""
    connection = Connection(Role.CLIENT)
    connection.start(0.0)
    try:
        with _line(address, timeout_s) as line:
            line.send(connection.data_to_send())
            received = line.receive(timeout_s)
    except OSError:
        return False
    return bool(received) and _foreign(received or b"") is None


def _foreign(heard: bytes) -> Peer | None:
    """Return what else than DTC begins with these bytes, None where it may be DTC."""
    for beginning, peer in _BEGINNINGS:
        if heard.startswith(beginning):
            return peer
    is_message = heard[:1] == b"{" or len(heard) < 4 or (heard[0] | heard[1] << 8) >= 4
    is_text = heard[:1] != b"{" and len(heard) >= 4 and all(9 <= octet < 127 for octet in heard[:_HEARD_MAX])
    return None if is_message and not is_text else Peer.FOREIGN


class _Talk:
    """One conversation over a line, as far as a client of ours needs it."""

    def __init__(self, line: Line, connection: Connection, clock: Clock) -> None:
        self.line, self.connection, self.clock = line, connection, clock
        self.heard = b""
        self.closed = ""
        self.is_cut = False
        self.said = ""
        self._broken: RemoteProtocolError | None = None

    def exchange(self, until: float) -> list[Message]:
        """Send what is owed and return what comes, if anything comes in time.

        Raises RemoteProtocolError once everything before the fault was returned.
        """
        if self._broken is not None:
            raise self._broken
        try:
            self.line.send(self.connection.data_to_send())
            now = self.clock()
            due = self.connection.next_deadline()
            received = self.line.receive(min(until, until if due is None else due) - now)
        except OSError:
            received = b""
        now = self.clock()
        if received is not None:
            self.is_cut |= not received
            if not self.connection.peer_encoding_confirmed:
                self.heard = (self.heard + received)[:_HEARD_MAX]
            self.connection.receive_data(received, now)
        self.connection.tick(now)
        messages: list[Message] = []
        try:
            for event in self.connection.events():
                if isinstance(event, Message):
                    messages.append(event)
                    self.said = _said(event) or self.said
                elif isinstance(event, Closed):
                    self.closed = event.reason
        except RemoteProtocolError as error:
            self._broken, self.closed = error, str(error)
        return messages


def _attempt(
    line: Line, plan: Plan, manner: tuple[Encoding, bool], sight: Sight, clock: Clock
) -> tuple[Attempt, Sight]:
    encoding, negotiate = manner
    logon = LogonRequest(
        Username=plan.username,
        Password=plan.password,
        HeartbeatIntervalInSeconds=HEARTBEAT_S,
        ClientName="dtcpos",
    )
    connection = Connection(
        Role.CLIENT,
        encoding=encoding,
        negotiate=negotiate,
        logon=logon,
        heartbeat_interval_s=HEARTBEAT_S,
        ignored=QUOTE_TYPES | DEPTH_TYPES,
    )
    talk = _Talk(line, connection, clock)
    attempt = Attempt(encoding=encoding, negotiate=negotiate, peer=Peer.SILENT)
    try:
        connection.start(clock())
        response, told = _logged_on(talk, plan.timeout_s)
    except LocalProtocolError as error:
        spoken = connection.encoding if connection.peer_encoding_confirmed else None
        return evolve(attempt, peer=Peer.UNTOLD, spoken=spoken, words=str(error)), sight
    except RemoteProtocolError as error:
        peer = _foreign(talk.heard) or Peer.BROKEN
        return evolve(attempt, peer=peer, heard=_safe(talk.heard, logon), words=str(error)), sight
    attempt = evolve(attempt, heard=_safe(talk.heard, logon), words=talk.closed)
    if response is None:
        foreign = _foreign(talk.heard) if talk.heard and not connection.peer_encoding_confirmed else None
        peer = foreign or (Peer.CLOSED if talk.closed or talk.is_cut else Peer.SILENT)
        spoken = connection.encoding if connection.peer_encoding_confirmed else None
        return evolve(attempt, peer=peer, spoken=spoken, words=talk.said or talk.closed), sight
    attempt = evolve(attempt, spoken=connection.encoding, words=response.ResultText or talk.said)
    sight = evolve(sight, logon=response)
    if _is_sent_away(response):
        return evolve(attempt, peer=Peer.ELSEWHERE), sight
    if response.Result != LogonStatus.SUCCESS:
        return evolve(attempt, peer=Peer.REFUSED), sight
    answers = _interviewed(talk, plan, response, told)
    return evolve(attempt, peer=Peer.ADMITTED), evolve(sight, answers=answers.answers(lost=talk.closed))


def _said(message: Message) -> str:
    """Return what a server says in words; some give the reason of a refusal before they refuse."""
    match message:
        case UserMessage():
            return message.UserMessage
        case GeneralLogMessage() | AlertMessage():
            return message.MessageText
        case _:
            return ""


def _safe(heard: bytes, logon: LogonRequest) -> bytes:
    """Return what was heard, nothing where it may quote what we sent: some ports echo every byte."""
    return b"" if logon.Password and logon.Password[:_SHOWN_OF_SECRET].encode("latin-1", "replace") in heard else heard


def _logged_on(talk: _Talk, timeout_s: float) -> tuple[LogonResponse | None, list[Message]]:
    """Go as far as the answer to the logon; returns it, and what was said behind it."""
    until = talk.clock() + timeout_s
    state = talk.connection.state
    while talk.connection.state is not State.CLOSED and talk.clock() < until:
        messages = talk.exchange(until)
        for place, message in enumerate(messages):
            if isinstance(message, LogonResponse):
                return message, messages[place + 1 :]
        if talk.connection.state is not state:
            # Each of the two answers has its time.
            state, until = talk.connection.state, talk.clock() + timeout_s
    return None, []


def _interviewed(talk: _Talk, plan: Plan, response: LogonResponse, told: list[Message]) -> Interview:
    connection, clock = talk.connection, talk.clock
    now = clock()
    interview = Interview(
        now=now,
        timeout_s=plan.timeout_s,
        heartbeat_s=HEARTBEAT_S,
        has_definitions=bool(response.SecurityDefinitionsSupported),
        has_market=plan.market_data and bool(response.MarketDataSupported),
        symbols=plan.symbols,
    )
    give_up_at = now + _WHOLE_S_MAX
    for message in told:
        interview.take(message, now)
    try:
        while connection.state in _LOGGED_ON and now < give_up_at:
            while (request := interview.next_request(now)) is not None:
                connection.send(request)
            if interview.is_over(now):
                connection.send(Logoff(Reason="dtcpos doctor has seen enough"))
                talk.line.send(connection.data_to_send())
                break
            heard = talk.exchange(min(interview.next_deadline(), give_up_at))
            now = clock()
            for message in heard:
                interview.take(message, now)
            interview.tick(now)
        if now >= give_up_at:
            talk.closed = talk.closed or f"given up after {_WHOLE_S_MAX:g} s of answers without an end"
    except RemoteProtocolError as error:
        talk.closed = str(error)
    except OSError as error:
        talk.closed = error.strerror or str(error)
    return interview
