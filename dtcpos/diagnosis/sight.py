"""The nouns of a diagnosis: what was seen of a server, and what is said of it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from dtcpos.dtc import Encoding, EncodingResponse, LogonResponse
from dtcpos.keeping.sync import Ended

# Its type, as it stands behind the size of every binary message.
_ENCODING_RESPONSE = EncodingResponse.type.to_bytes(2, "little")


class Result(StrEnum):
    """How a check came out; only a fault is something that has to be mended."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    SKIPPED = "skipped"


@frozen(kw_only=True)
class Finding:
    """One check: what was found, what to do about it, and the menu of Sierra Chart that changes it.

    `remedy` and `menu` are empty where there is nothing to do, and `menu` where no menu does it.
    """

    check: str
    result: Result
    found: str
    remedy: str = ""
    menu: str = ""


class Reach(StrEnum):
    """How far the TCP connection came."""

    CONNECTED = "connected"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNKNOWN_HOST = "unknown host"
    UNREACHABLE = "unreachable"


class Tls(StrEnum):
    """How a TLS handshake that was wanted came out."""

    UNTRIED = "untried"
    SPOKEN = "spoken"
    NOT_SPOKEN = "not spoken"
    UNTRUSTED = "untrusted"
    WRONG_NAME = "wrong name"
    OUT_OF_DATE = "out of date"
    FAILED = "failed"


class Peer(StrEnum):
    """What the one behind the port sounded like in one attempt to log on."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"
    SILENT = "silent"
    CLOSED = "closed"
    # Our own words cannot be said in its encoding.
    UNTOLD = "untold"
    TLS = "TLS"
    HTTP = "HTTP"
    SSH = "SSH"
    FOREIGN = "foreign"
    BROKEN = "broken"


@frozen(kw_only=True)
class Attempt:
    """One attempt to log on: how it was asked, what was heard first, and how it ended.

    `heard` are the first bytes, as many as a person can use; `spoken` is the encoding the server speaks, None where it
    did not get so far; `words` say why it ended.
    """

    encoding: Encoding
    negotiate: bool
    peer: Peer
    heard: bytes = b""
    spoken: Encoding | None = None
    words: str = ""

    @property
    def is_dtc(self) -> bool:
        """Whether the answer was one of DTC: an encoding was agreed upon, or one was named that we cannot read."""
        return self.spoken is not None or self.heard[2:4] == _ENCODING_RESPONSE


@frozen(kw_only=True)
class Definition:
    """What the server says of a symbol: the factor from the wire's prices to those people read, and the tick."""

    symbol: str
    multiplier: Decimal
    tick: Decimal


@frozen(kw_only=True)
class Market:
    """The answer to a subscription: `snapshot`, `rejected` or `unanswered`; the server's words, and its last price."""

    symbol: str
    outcome: str
    text: str = ""
    price: Decimal | None = None


@frozen(kw_only=True)
class Answers:
    """What a server answered to everything `connect` asks after a logon.

    `prices` are wire prices by symbol, as positions and fills state them. `drifts_s` are the server's time less ours,
    one a heartbeat that carried a time; `heartbeats` counts all of them. `lost` is why the line ended before we were
    done, empty if it did not. `feed_is_down` is what the server last said of its own data feed.
    """

    ended: tuple[Ended, ...] = ()
    disabled: tuple[str, ...] = ()
    definitions: tuple[Definition, ...] = ()
    prices: tuple[tuple[str, Decimal], ...] = ()
    market: Market | None = None
    feed_is_down: bool = False
    heartbeats: int = 0
    drifts_s: tuple[float, ...] = ()
    notices: tuple[str, ...] = ()
    lost: str = ""


@frozen(kw_only=True)
class Sight:
    """Everything seen of one server.

    `asked` is the encoding a person asked for, None where any will do. `is_tls_behind` says that the port speaks TLS
    though it was spoken to without, `is_plain_behind` the reverse. `sent_from` is the address that sent us here.
    `known_prices` are the last wire prices the ledger has of some symbols.
    """

    address: str
    port: int
    is_local: bool
    wants_tls: bool
    username: str = ""
    asked: Encoding | None = None
    reach: Reach = Reach.CONNECTED
    reach_words: str = ""
    tls: Tls = Tls.UNTRIED
    tls_words: str = ""
    is_tls_behind: bool = False
    is_plain_behind: bool = False
    attempts: tuple[Attempt, ...] = ()
    logon: LogonResponse | None = None
    answers: Answers | None = None
    timeout_s: float = 0.0
    sent_from: str = ""
    known_prices: tuple[tuple[str, Decimal], ...] = ()

    @property
    def last(self) -> Attempt | None:
        """The attempt that counts: the one that got in, else the one that got furthest, else the first."""
        order = (Peer.ADMITTED, Peer.ELSEWHERE, Peer.REFUSED)
        for peer in order:
            for attempt in self.attempts:
                if attempt.peer is peer:
                    return attempt
        return self.attempts[0] if self.attempts else None
