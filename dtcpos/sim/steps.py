"""The nouns of a dialogue: what a simulated venue is, and what happens at it.

Prices are display prices, exactly as written in the dialogue; an instrument's multiplier is applied where messages
are made. Times are Unix seconds; `ago_s` counts back from the moment the venue opens.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from attrs import frozen

from dtcpos.dtc import Encoding, Message
from dtcpos.model import Side


class Kind(StrEnum):
    """What a client can ask for, as a dialogue names it."""

    ACCOUNTS = "accounts"
    HISTORY = "history"
    POSITIONS = "positions"
    ORDERS = "orders"
    BALANCES = "balances"
    EXCHANGES = "exchanges"
    DEFINITIONS = "definitions"
    MARKET_DATA = "market-data"


class Start(StrEnum):
    """When the script begins, and what `await` waits for: a client that connected, logged on, or fell quiet."""

    CONNECT = "connect"
    LOGON = "logon"
    QUIET = "quiet"


@frozen(kw_only=True)
class AccountTerms:
    """A trading account and what the venue is willing to say about it.

    `states_after` is whether a historical fill carries the position after it, `states_positions` whether the account
    ever appears in a position report: chart simulation accounts may do neither.
    """

    name: str
    states_after: bool = True
    states_positions: bool = True
    is_disabled: bool = False
    balance: Decimal | None = None


@frozen(kw_only=True)
class InstrumentTerms:
    """An instrument as the venue defines it; `value` is money per tick, not per point."""

    symbol: str
    tick: Decimal
    value: Decimal
    multiplier: Decimal = Decimal(1)
    currency: str = "USD"
    price_format: int = 2
    description: str = ""


@frozen(kw_only=True)
class Held:
    """A position from before the history window: nobody knows its fills."""

    account: str
    symbol: str
    signed_quantity: Decimal
    average_price: Decimal


@frozen(kw_only=True)
class Fill:
    """An execution at the venue.

    `execution_id` and `order_id` are None where the venue is to number them, empty where it gives none.
    `history_id` is the id in 304 where that is another one than in 301. `at_s` and `ago_s` both None: now.
    `position_after` overrides what 304 states.
    """

    account: str
    side: Side
    quantity: Decimal
    symbol: str
    price: Decimal
    execution_id: str | None = None
    history_id: str | None = None
    order_id: str | None = None
    order_quantity: Decimal | None = None
    at_s: float | None = None
    ago_s: float | None = None
    position_after: Decimal | None = None


@frozen(kw_only=True)
class Burst:
    """Many fills of one symbol, buying and selling around a price.

    `rate` is fills a second, None as fast as they can be written.
    """

    count: int
    account: str
    symbol: str
    price: Decimal
    rate: float | None = None


@frozen(kw_only=True)
class Correct:
    """The venue changes an execution it told before: same id, other content."""

    account: str
    execution_id: str
    price: Decimal
    quantity: Decimal | None = None


@frozen(kw_only=True)
class Order:
    """An order becomes known; `status` None means what follows from its parent."""

    account: str
    order_id: str
    side: Side
    quantity: Decimal
    symbol: str
    order_type: int
    price1: Decimal | None = None
    price2: Decimal | None = None
    parent_id: str = ""
    oco_id: str = ""
    status: int | None = None


@frozen(kw_only=True)
class Replace:
    """An order's price, quantity or id changes."""

    order_id: str
    price: Decimal | None = None
    quantity: Decimal | None = None
    new_id: str = ""


@frozen(kw_only=True)
class Cancel:
    """An order is canceled, and its children with it."""

    order_id: str


@frozen(kw_only=True)
class RefuseOrder:
    """An order is refused: status rejected, and a reason in words."""

    order_id: str
    text: str


@frozen(kw_only=True)
class Restate:
    """The venue sets a position without any fill, and says so."""

    account: str
    symbol: str
    signed_quantity: Decimal
    average_price: Decimal


@frozen(kw_only=True)
class RestateAll:
    """The venue tells every position again, unasked."""


@frozen(kw_only=True)
class Repeat:
    """The venue sends the last fill, or every live fill so far, a second time."""

    is_all: bool


@frozen(kw_only=True)
class Tick:
    """A trade in the market."""

    symbol: str
    price: Decimal
    volume: Decimal = Decimal(1)


@frozen(kw_only=True)
class Quote:
    """The best bid and ask in the market."""

    symbol: str
    bid: Decimal
    ask: Decimal


@frozen(kw_only=True)
class Say:
    """A USER_MESSAGE for every client."""

    text: str


@frozen(kw_only=True)
class Send:
    """Any message at all, for faults no other word has."""

    message: Message


AwayStep = Fill | Burst | Correct | Order | Replace | Cancel | Restate


@frozen(kw_only=True)
class Away:
    """Something that happens at the venue and is told to nobody: it is found out by asking."""

    step: AwayStep


@frozen(kw_only=True)
class Wait:
    """Let time pass."""

    seconds: float


@frozen(kw_only=True)
class Await:
    """Go on when a client is there."""


@frozen(kw_only=True)
class Drop:
    """Close every connection, now (None) or after so many further messages on any one of them."""

    after_messages: int | None = None


@frozen(kw_only=True)
class Cut:
    """Send only the first bytes of the next frame, then close."""

    octets: int


@frozen(kw_only=True)
class CutBatch:
    """Send only the first messages of the next answer of a kind, then close, or stay and never finish it."""

    kind: Kind
    messages: int
    stays: bool = False


@frozen(kw_only=True)
class Silent:
    """Stop all output to the clients of this moment, heartbeats included; the connections stay open."""


@frozen(kw_only=True)
class Reject:
    """Refuse every request of some kinds from now on."""

    kinds: tuple[Kind, ...]
    text: str


@frozen(kw_only=True)
class NoAnswer:
    """Leave every request of some kinds without an answer from now on."""

    kinds: tuple[Kind, ...]


@frozen(kw_only=True)
class Answer:
    """Answer requests of some kinds again."""

    kinds: tuple[Kind, ...]


@frozen(kw_only=True)
class RefuseLogon:
    """Refuse every logon from now on."""

    text: str
    forbids_reconnect: bool = False


@frozen(kw_only=True)
class ReconnectTo:
    """Send every logon to another address from now on."""

    address: str


@frozen(kw_only=True)
class Admit:
    """Accept logons again."""


@frozen(kw_only=True)
class Logoff:
    """Log every client off and close."""

    reason: str
    forbids_reconnect: bool = False


@frozen(kw_only=True)
class Garbage:
    """Bytes that no server should send."""

    octets: bytes


@frozen(kw_only=True)
class Stop:
    """Log every client off for good and end the server."""

    reason: str


MarketStep = Tick | Quote
VenueStep = Held | Fill | Correct | Order | Replace | Cancel | RefuseOrder | Restate | RestateAll | Repeat
ConductStep = Reject | NoAnswer | Answer | RefuseLogon | ReconnectTo | Admit | CutBatch
LineStep = Drop | Cut | Silent | Logoff | Garbage | Say | Send | Stop
Step = VenueStep | MarketStep | ConductStep | LineStep | Burst | Away | Wait | Await


@frozen(kw_only=True)
class Dialogue:
    """A whole dialogue: the terms of the venue, what was before, and what happens.

    `fixed_encoding` None means any encoding the client asks for. `heartbeat_s` is how often the server beats besides
    what the client asked for. `credentials` is the name and password a logon must give. `tick_type` is the message type
    trades in the market are sent as, `definition_type` that of security definitions.
    """

    name: str
    server_name: str = "SC DTC Server"
    trading: bool = True
    market_data: bool = True
    fixed_encoding: Encoding | None = None
    heartbeat_s: float | None = None
    credentials: tuple[str, str] | None = None
    tick_type: int = 107
    definition_type: int = 507
    newest_first: bool = False
    states_extremes: bool = False
    start: Start = Start.QUIET
    quiet_s: float = 0.2
    accounts: tuple[AccountTerms, ...] = ()
    instruments: tuple[InstrumentTerms, ...] = ()
    exchanges: tuple[str, ...] = ()
    before: tuple[Step, ...] = ()
    script: tuple[Step, ...] = ()
