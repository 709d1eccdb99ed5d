"""A year of trading, the same on every run: what accounts did, as a log, as a dialogue, and as it must come out.

It has what a year has: scale-ins and scale-outs in partial executions, flips, positions held overnight and over
weekends, the Sundays on which clocks change, contracts that are rolled (also over the end of the year), prices in 64ths
and below zero, prices the wire scales, a quantity of a thousandth, an account whose log names no execution, and
accounts in simulation.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from attrs import frozen

from tests.importers.writing import moment, written

CHICAGO = ZoneInfo("America/Chicago")
FIRST = date(2024, 11, 25)
DAYS = 250
# In Chicago, and both are Sundays: the session begins in the evening.
CLOCK_CHANGES = (date(2025, 3, 9), date(2025, 11, 2))
_ONE = Decimal(1)


@frozen
class Market:
    """A root with its price step and what a step is worth; `multiplier` is from the wire's price to the display price.

    `logged` is by what its log multiplies display prices.
    """

    root: str
    exchange: str
    months: str
    tick: Decimal
    value: Decimal
    start: Decimal
    lot: Decimal = _ONE
    multiplier: Decimal = _ONE
    logged: Decimal = _ONE

    def contract(self, day: date) -> str:
        """Return the contract traded on a day: the next of its months, rolled ten days into it."""
        if not self.months:
            return self.root
        named = {"F": 1, "G": 2, "H": 3, "J": 4, "K": 5, "M": 6, "N": 7, "Q": 8, "U": 9, "V": 10, "X": 11, "Z": 12}
        ahead = day - timedelta(days=10)
        for letter in self.months:
            if named[letter] >= ahead.month:
                return f"{self.root}{letter}{ahead.year % 100}-{self.exchange}"
        return f"{self.root}{self.months[0]}{(ahead.year + 1) % 100}-{self.exchange}"


def _market(root: str, exchange: str, months: str, tick: str, value: str, start: str, **more: str) -> Market:
    decimals = {name: Decimal(text) for name, text in more.items()}
    return Market(root, exchange, months, Decimal(tick), Decimal(value), Decimal(start), **decimals)


MES = _market("MES", "CME", "HMUZ", "0.25", "1.25", "6012.25")
MNQ = _market("MNQ", "CME", "HMUZ", "0.25", "0.5", "21034.5", logged="100")
ZN = _market("ZN", "CBOT", "HMUZ", "0.015625", "15.625", "110.515625")
# It falls through zero within weeks, and comes back.
CL = _market("CL", "NYMEX", "FGHJKMNQUVXZ", "0.01", "10", "-37.63")
EURO = _market("6E", "CME", "HMUZ", "0.00005", "6.25", "1.08455", multiplier="0.0001", logged="10000")
COIN = _market("COINPERP", "", "", "0.00000001", "0.00000001", "0.00012345", lot="0.001")

# Which account trades what, and whether its log names its executions.
BOOKS = (
    ("120005", (MES, ZN), True),
    ("120006", (CL, EURO), False),
    ("Sim1", (MES, MNQ), True),
    ("Eval-Sim2", (COIN, EURO), True),
)


@frozen(kw_only=True)
class Traded:
    """One execution of the year; `wire` is by what the log's price is multiplied to be the wire's."""

    account: str
    market: Market
    symbol: str
    signed: Decimal
    price: Decimal
    time: datetime
    execution_id: str
    order_id: str
    order_quantity: Decimal
    filled: Decimal
    after: Decimal
    is_named: bool


def year(per_day: int, *, days: int = DAYS, seed: int = 11) -> list[Traded]:
    """Return the executions of so many days, about `per_day` on each, in the order of time."""
    chance = random.Random(seed)
    held: dict[tuple[str, str], Decimal] = {}
    prices = {market.root: market.start for _, markets, _ in BOOKS for market in markets}
    contracts: dict[tuple[str, str], str] = {}
    found: list[Traded] = []
    for day in _weekdays(days):
        second = 0
        count = len(found) + per_day
        while len(found) < count:
            account, markets, is_named = BOOKS[chance.randrange(len(BOOKS))]
            market = markets[chance.randrange(2)]
            symbol = market.contract(day)
            before = contracts.get((account, market.root), symbol)
            if before != symbol and held.get((account, before)):
                # Rolled: what is held of the old contract is closed before the new one is traded.
                symbol, signed = before, -held[account, before]
            else:
                contracts[account, market.root] = symbol
                signed = _decided(chance, held.get((account, symbol), Decimal(0)), market.lot)
            second += chance.randrange(20, 20_000 // per_day)
            at = datetime.combine(day, time(17) if day in CLOCK_CHANGES else time(8, 30), CHICAGO) + timedelta(
                seconds=second
            )
            order = f"{41_000 + len(found)}"
            parts = _parted(chance, abs(signed), market.lot)
            filled = Decimal(0)
            for number, part in enumerate(parts):
                prices[market.root] += market.tick * chance.randrange(-12, 13)
                after = held.get((account, symbol), Decimal(0)) + part.copy_sign(signed)
                held[account, symbol] = after
                filled += part
                found.append(
                    Traded(
                        account=account,
                        market=market,
                        symbol=symbol,
                        signed=part.copy_sign(signed),
                        price=prices[market.root],
                        time=at + timedelta(microseconds=1000 * (17 + 150 * number)),
                        execution_id=f"{account}.{len(found)}",
                        order_id=order,
                        order_quantity=abs(signed),
                        filled=filled,
                        after=after,
                        is_named=is_named,
                    )
                )
    return found


def _weekdays(count: int) -> Iterator[date]:
    day = FIRST
    while count:
        if day.weekday() < 5 or day in CLOCK_CHANGES:
            yield day
            count -= 1
        day += timedelta(days=1)


def _decided(chance: random.Random, held: Decimal, lot: Decimal) -> Decimal:
    """Open, add, take off, close or turn around."""
    size = lot * chance.randrange(1, 5)
    if not held:
        return size if chance.random() < 0.5 else -size
    way = chance.random()
    if way < 0.25 and abs(held) < lot * 12:
        return size.copy_sign(held)
    if way < 0.5:
        return -held
    if way < 0.7:
        return -held - size.copy_sign(held)
    return -min(size, abs(held)).copy_sign(held)


def _parted(chance: random.Random, quantity: Decimal, lot: Decimal) -> list[Decimal]:
    """Cut the quantity of an order into its executions."""
    if quantity == lot or chance.random() < 0.5:
        return [quantity]
    first = lot * chance.randrange(1, int(quantity / lot))
    return [first, quantity - first]


def as_log(path: Path, traded: Iterable[Traded]) -> Path:
    """Write what `File >> Save Log As` would: in local time, with rows that are no executions between."""
    rows = []
    for each in traded:
        common = {
            "DateTime": moment(each.time),
            "Symbol": each.symbol,
            "TradeAccount": each.account,
            "BuySell": "Buy" if each.signed > 0 else "Sell",
            "InternalOrderID": f"7{each.order_id}",
            "ServiceOrderID": each.order_id,
            "FillExecutionServiceID": each.execution_id if each.is_named else "",
        }
        if each.filled == abs(each.signed):
            rows.append({**common, "ActivityType": "Orders", "OrderStatus": "Open", "FillExecutionServiceID": ""})
        rows.append(
            {
                **common,
                "ActivityType": "Fills",
                "Quantity": f"{abs(each.signed):f}",
                "FillPrice": f"{each.price * each.market.logged:f}",
                "FilledQuantity": f"{each.filled:f}",
                "PositionQuantity": f"{each.after:f}",
                "OrderStatus": "Filled" if each.filled == each.order_quantity else "Partially Filled",
            }
        )
    path.write_bytes(written(rows))
    return path


def as_history(traded: Iterable[Traded]) -> str:
    """Return the lines of a dialogue that declare the year's markets and tell its executions as history."""
    known = list(traded)
    symbols = {each.symbol: each.market for each in known}
    lines = [f"account {account}" for account, _, _ in BOOKS]
    lines += [
        f"symbol {symbol} tick {market.tick:f} value {market.value:f} multiplier {market.multiplier:f}"
        for symbol, market in symbols.items()
    ]
    lines += [f"history {told(each)}" for each in known]
    return "\n".join(lines) + "\n"


def told(each: Traded) -> str:
    """Return an execution in the words of a dialogue."""
    side = "BUY" if each.signed > 0 else "SELL"
    at = each.time.astimezone(ZoneInfo("UTC")).isoformat().replace("+00:00", "Z")
    return (
        f"{each.account} {side} {abs(each.signed):f} {each.symbol} @ {each.price:f} id {each.execution_id} "
        f"order {each.order_id} of {each.order_quantity:f} at {at}"
    )


@frozen
class Expected:
    """A trade as it must come out: what moved between two moments of holding nothing."""

    account: str
    symbol: str
    entry_time: datetime
    exit_time: datetime
    points: Decimal
    fills: int


def expected_trades(traded: Iterable[Traded]) -> list[Expected]:
    """Return the trades flat to flat, by another way than booking: the cash between, a flip cut in two."""
    running: dict[tuple[str, str], tuple[Decimal, Decimal, datetime, int]] = {}
    found = []
    for each in traded:
        key = (each.account, each.symbol)
        held, cash, entered, count = running.get(key, (Decimal(0), Decimal(0), each.time, 0))
        closing = min(abs(each.signed), abs(held)).copy_sign(each.signed) if held * each.signed < 0 else Decimal(0)
        opening = each.signed - closing
        held, cash, count = held + closing, cash - closing * each.price, count + 1
        if closing and not held:
            found.append(Expected(*key, entered, each.time, cash, count))
            cash, entered, count = Decimal(0), each.time, 1
        if not opening:
            running.pop(key, None) if not held else running.__setitem__(key, (held, cash, entered, count))
            continue
        running[key] = (held + opening, cash - opening * each.price, entered, count)
    return found
