"""A keeper and a simulated venue joined by hand: bytes carried between them, a clock that only the test moves.

The notation is the domain's: `pair.fill("+2 MES @ 5312.25", id="a-1")` happens at the venue and is told to the keeper;
`pair.positions()` is what the ledger then says, as `["Sim1 +2 MES @ 5312.25"]`. Prices are in points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, TypeVar

from dtcpos.booking import average_price, rounded_quotient, standing
from dtcpos.dtc import Encoding, Message, State
from dtcpos.dtc.framing import FrameBuffer
from dtcpos.keeper import PositionKeeper
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import Fill, Position, Status, Trade
from dtcpos.sim import Dialogue, Performance, VenueSession, parse_dialogue
from dtcpos.sim.steps import Garbage, Send
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate, FillUpdate, Update
from tests.outcome import keys_of

NOON = 1_795_867_200.0
TERMS = """
account Sim1
account 120005
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
"""
# Every step of a script has a millisecond of its own, and a dialogue has ended when nothing more can come of it: the
# quiet period has passed and the question after it is answered.
STEP_S = 0.002
SETTLED_S = 5.0
_EVENTS_MAX = 50_000

U = TypeVar("U")
M = TypeVar("M", bound=Message)
Split = Callable[[bytes], Iterator[bytes]]


def bytewise(octets: bytes) -> Iterator[bytes]:
    """Yield every byte by itself."""
    for position in range(len(octets)):
        yield octets[position : position + 1]


class Pair:
    """A PositionKeeper on a ledger in memory and the venue it follows.

    `script` is a whole Dialogue, or the lines below `--` of one whose venue is `terms`. `split` cuts what the server
    sends into the pieces that the keeper is fed with; `cut_at` loses the line once, after so many bytes of the server.
    """

    def __init__(
        self,
        script: str | Dialogue = "",
        *,
        terms: str = TERMS,
        encoding: Encoding = Encoding.BINARY,
        split: Split | None = None,
        cut_at: int | None = None,
        repository: PositionRepository | None = None,
        performance: Performance | None = None,
        **options: Any,
    ) -> None:
        self.now = NOON
        dialogue = script if isinstance(script, Dialogue) else parse_dialogue(f"{terms}\n--\n{script}", name="test")
        self.performance = Performance(dialogue, now=self.now) if performance is None else performance
        self.repository = PositionRepository.in_memory() if repository is None else repository
        self.encoding = encoding
        self.options = options
        self.told: list[Update] = []
        self.sent: list[bytearray] = []
        self.heard: list[bytearray] = []
        self.session: VenueSession | None = None
        self._split = split
        self._cut_at = cut_at
        self._is_frozen = False
        self.keeper = self._new_keeper()

    def _new_keeper(self) -> PositionKeeper:
        return PositionKeeper(self.repository, encoding=self.encoding, **{"server": "test", **self.options})

    # The line

    def connect(self) -> Pair:
        """Connect and let everything be said that needs no time."""
        self.session = VenueSession(self.performance)
        self.sent.append(bytearray())
        self.heard.append(bytearray())
        self.session.start(self.now)
        self.told += self.keeper.start(now=self.now)
        self._exchange()
        return self

    def lose(self) -> None:
        """Break the line."""
        session, self.session = self.session, None
        assert session is not None
        session.receive_data(b"", self.now)
        if not self.is_down:
            self.told += self.keeper.receive_data(b"", now=self.now)

    def reconnect(self) -> Pair:
        """Break the line and take it up again."""
        if self.session is not None:
            self.lose()
        self.now += STEP_S
        return self.connect()

    def crash(self) -> Pair:
        """Lose everything but the ledger, as a killed process does, and start again."""
        if self.session is not None:
            self.session.receive_data(b"", self.now)
            self.session = None
        self.keeper = self._new_keeper()
        self.now += STEP_S
        return self.connect()

    @property
    def is_down(self) -> bool:
        """Whether the keeper's session has ended."""
        return self.keeper.state in (State.CLOSED, State.FAILED)

    # Time

    def wait(self, seconds: float) -> Pair:
        """Let time pass, stopping at every deadline of either side."""
        until = self.now + seconds
        while (due := self._next_deadline()) is not None and due <= until:
            self._advance(due)
        self._advance(max(self.now, until))
        return self

    def step(self) -> Pair:
        """Let time pass until something happens."""
        due = self._next_deadline()
        assert due is not None, "nothing can happen any more"
        self._advance(due)
        return self

    def settle(self) -> Pair:
        """Let the quiet period pass, and what comes after it."""
        return self.wait(SETTLED_S)

    def play(self) -> Pair:
        """Play the whole dialogue, reconnecting after every loss, until nothing more can come of it."""
        over_at: float | None = None
        if self.session is None:
            self.connect()
        for _ in range(_EVENTS_MAX):
            if self.is_down:
                if self.keeper.failure is not None or self.performance.is_finished:
                    break
                self.now += STEP_S
                self.connect()
                over_at = None
                continue
            due = self._next_deadline()
            if self.performance.is_over:
                over_at = self.now if over_at is None else over_at
                if due is None or due > over_at + SETTLED_S:
                    break
            assert due is not None, "the dialogue waits for something that cannot come"
            self._advance(due)
        else:
            raise AssertionError("the dialogue does not end")
        self.told += self.keeper.stop(now=self.now)
        self._exchange()
        return self

    def _next_deadline(self) -> float | None:
        dues = [self.performance.next_deadline()]
        if self.session is not None:
            dues += [self.session.line_deadline(), self.keeper.next_deadline()]
        return min((due for due in dues if due is not None), default=None)

    def _advance(self, due: float) -> None:
        # Whole milliseconds, which a live execution is told in: the second of its history must be the same.
        self.now = round(max(self.now + STEP_S, due), 3)
        if self.session is not None:
            self.session.beat(self.now)
        self.performance.tick(self.now, steps_max=1)
        if self.session is not None and (deadline := self.keeper.next_deadline()) is not None and deadline <= self.now:
            self.told += self.keeper.tick(now=self.now)
        self._exchange()

    def _exchange(self) -> None:
        while self.session is not None:
            sent = self.keeper.data_to_send()
            if sent:
                self.sent[-1] += sent
                self.session.receive_data(sent, self.now)
            received = self.session.data_to_send()
            if received:
                self._deliver(received)
            elif self.session.closed or self.is_down:
                self.lose()
            elif not sent:
                return

    def _deliver(self, received: bytes) -> None:
        is_cut = self._cut_at is not None and sum(map(len, self.heard)) + len(received) >= self._cut_at
        if is_cut:
            assert self._cut_at is not None
            received = received[: self._cut_at - sum(map(len, self.heard))]
            self._cut_at = None
        self.heard[-1] += received
        self.feed(received)
        if is_cut:
            self.lose()

    def feed(self, received: bytes) -> None:
        """Give the keeper bytes as if the server had sent them."""
        for piece in [received] if self._split is None else self._split(received):
            if not self.is_down:
                self.told += self.keeper.receive_data(piece, now=self.now)

    # What happens at the venue

    def perform(self, *lines: str) -> Pair:
        """Let lines of a script happen, each at a millisecond of its own."""
        for line in lines:
            self.now += STEP_S
            self.performance.perform(line, self.now)
            self._exchange()
        return self

    def fill(self, text: str, *, id: str = "", order: str = "", account: str = "Sim1", **words: object) -> Pair:  # noqa: A002
        """Let an execution `+2 MES @ 5312.25` happen; `away=True` tells nobody, other words are the script's."""
        signed, symbol, at, price = text.split()
        assert at == "@"
        quantity = Decimal(signed)
        away = "away " if words.pop("away", False) else ""
        line = f"{away}fill {account} {'BUY' if quantity > 0 else 'SELL'} {abs(quantity):f} {symbol} @ {price}"
        if id:
            line += f" id {id}"
        if order:
            line += f" order {order}"
        for word, value in words.items():
            line += f" {word.replace('_', '-')} {value}"
        return self.perform(line)

    def send(self, *messages: Message) -> Pair:
        """Let the server send messages of its own making."""
        assert self.session is not None
        for message in messages:
            self.session.suffer(Send(message=message), self.now)
        self._exchange()
        return self

    def garbage(self, octets: bytes) -> Pair:
        """Let the server send bytes that mean nothing."""
        assert self.session is not None
        self.session.suffer(Garbage(octets=octets), self.now)
        self._exchange()
        return self

    # What the ledger says

    def positions(self) -> list[str]:
        """What is held, from the file, checked against what the keeper shows."""
        stored = self.repository.positions()
        assert dict(self.keeper.positions) == stored
        return [held_words(position) for position in stored.values()]

    def trades(self, account: str = "") -> list[str]:
        """The trades closed."""
        keys = [key for key in keys_of(self.repository) if account in ("", key[0])]
        return [trade_words(trade) for key in keys for trade in self.repository.trades_of_key(*key)]

    def fills(self) -> list[str]:
        """The current fills of every key, as they were booked."""
        return [fill_words(fill) for fill in fills_of(self.repository)]

    def sightings(self) -> dict[str, list[str]]:
        """Where every fill has been seen, by its execution id."""
        fills = fills_of(self.repository)
        seen = self.repository.sightings_of([fill.id for fill in fills if fill.id is not None])
        return {fill.execution_id: sorted(str(s.source) for s in seen.get(fill.id or 0, ())) for fill in fills}

    def status(self, symbol: str = "MES", account: str = "Sim1") -> Status:
        """How true the position is said to be."""
        key = next(key for key in self.repository.positions() if key[1:] == (account, symbol))
        return standing(
            self.repository.positions()[key],
            verification=self.repository.verifications().get(key),
            account=self.repository.account(account),
            links=self.repository.links(),
            breaks=[found for found in self.repository.open_breaks() if found.key == key],
            now=moment_of_clock(self.now),
        )[0]

    def alerts(self, kind: str) -> list[str]:
        """What was said of one kind."""
        return [each.text for each in self.told_of(AlertUpdate) if each.kind == kind]

    def told_of(self, kind: type[U]) -> list[U]:
        """The updates of one kind."""
        return [update for update in self.told if isinstance(update, kind)]

    def told_fills(self) -> list[str]:
        """The executions the keeper has announced, in the order announced."""
        return [fill_words(update.fill) for update in self.told_of(FillUpdate)]

    def causes(self) -> list[str]:
        """The causes in the journal, oldest first."""
        rows = self.repository.database.conn.execute("SELECT cause FROM journal ORDER BY id").fetchall()
        return [row[0] for row in rows]


def changed(message: M, **values: object) -> M:
    """Return a message with other values in some of its fields."""
    return type(message)(**{name: getattr(message, name) for name in message.field_by_name} | values)


def fills_of(repository: PositionRepository) -> list[Fill]:
    """Return the current fills of every key, refined by their sightings, by ledger id."""
    fills = [fill for key in keys_of(repository) for fill in repository.fills_of_key(*key)]
    return sorted(fills, key=lambda fill: fill.id or 0)


def number_words(value: Decimal | None) -> str:
    """Write a number without an exponent or trailing zeros, `?` where it is not known."""
    if value is None:
        return "?"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def held_words(position: Position) -> str:
    """Write a position."""
    quantity = number_words(position.signed_quantity)
    sign = "+" if position.signed_quantity > 0 else ""
    average = number_words(average_price(position))
    return f"{position.key.account} {sign}{quantity} {position.key.symbol} @ {average}"


def fill_words(fill: Fill) -> str:
    """Write a fill, with its execution id where it has one."""
    sign = "+" if fill.signed_quantity > 0 else ""
    text = f"{fill.account} {sign}{number_words(fill.signed_quantity)} {fill.symbol} @ {number_words(fill.price)}"
    return text + (f" {fill.execution_id}" if fill.execution_id else "")


def trade_words(trade: Trade) -> str:
    """Write a trade with its average prices and its profit in points."""
    entry, exit_ = (
        None if notional is None else rounded_quotient(notional, trade.total_quantity)
        for notional in (trade.opened_notional, trade.closed_notional)
    )
    return (
        f"{trade.key.account} {trade.direction} {number_words(trade.total_quantity)} {trade.key.symbol} "
        f"{number_words(entry)} to {number_words(exit_)} = {number_words(trade.realized)}"
    )


def frame_ends(octets: bytes | bytearray, encoding: Encoding) -> list[int]:
    """Return where each frame of a session ends; the first is the binary handshake."""
    frames = FrameBuffer(Encoding.BINARY)
    frames.append(bytes(octets))
    ends = []
    while (found := frames.next_frame()) is not None:
        ends.append(found[1])
        frames.encoding = encoding
    return ends
