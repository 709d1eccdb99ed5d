"""Prices written as a power of ten of what they are: found by what the ledger knows, said, and never changed unasked.

Sierra Chart writes the prices of some symbols times 100. Evidence, strongest first: an execution or order the ledger
has at another price; the last price known of the symbol; prices that never use the symbol's own tick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from math import log10
from pathlib import Path

from attrs import field, frozen

from dtcpos.booking.instruments import root_of
from dtcpos.errors import UsageError
from dtcpos.exact import EXACT
from dtcpos.importers.report import ImportRefused, number_text
from dtcpos.model import Instrument

_HUNDRED = Decimal(100)
_ONE = Decimal(1)
# Of prices on a tick one in a hundred lies on every hundredth by chance; six of six do not.
_PRICES_TELLING = 6
# How far, in powers of ten, a market may have moved between two prices that are compared.
_LOG_SLACK = 0.2


@frozen
class Scales:
    """The factors a person gave for the prices of a file: for everything, and for symbols or roots."""

    everything: Decimal | None = None
    by_symbol: Mapping[str, Decimal] = field(factory=dict)

    def factor(self, symbol: str) -> Decimal:
        """Return the factor for the prices of a symbol, 1 where none was given."""
        own = self._own(symbol)
        return own if own is not None else self.everything or _ONE

    def is_given(self, symbol: str) -> bool:
        """Whether a person spoke of this very symbol or its root; that is taken at their word."""
        return self._own(symbol) is not None

    def _own(self, symbol: str) -> Decimal | None:
        return self.by_symbol.get(symbol, self.by_symbol.get(root_of(symbol)))


def parse_scales(texts: list[str]) -> Scales:
    """Read `0.01` for every symbol and `ESZ26=0.01` for one. Raises UsageError."""
    everything: Decimal | None = None
    by_symbol: dict[str, Decimal] = {}
    for text in texts:
        symbol, _, number = text.rpartition("=")
        try:
            factor = Decimal(number)
        except ArithmeticError:
            factor = Decimal(0)
        if not factor.is_finite() or not Decimal("1e-9") <= factor <= Decimal("1e9"):
            raise UsageError(f"--scale {text!r} is no factor; write 0.01, or ESZ26=0.01 for one symbol")
        if symbol:
            by_symbol[symbol] = factor
        else:
            everything = factor
    return Scales(everything, by_symbol)


class PriceDoubts:
    """What speaks against the prices of a file, by symbol."""

    def __init__(self, path: Path, scales: Scales) -> None:
        self._path = path
        self._scales = scales
        self._powers: dict[str, dict[int, str]] = defaultdict(dict)
        self._firsts: dict[str, tuple[int, Decimal]] = {}
        self._prices: dict[str, set[Decimal]] = defaultdict(set)

    @property
    def symbols(self) -> list[str]:
        """The symbols seen."""
        return sorted(self._firsts)

    def note(self, line: int, symbol: str, price: Decimal) -> None:
        """Remember a price of the file."""
        self._firsts.setdefault(symbol, (line, price))
        prices = self._prices[symbol]
        if len(prices) < _PRICES_TELLING * 4:
            prices.add(price)

    def compare(self, line: int, symbol: str, price: Decimal, known: Decimal | None) -> None:
        """Compare a price of the file with that of the same execution or order in the ledger."""
        power = _power(price, known)
        if power is not None and known is not None:
            words = f"line {line} has {number_text(price)}, the ledger {number_text(known)} for the same execution"
            self._powers[symbol].setdefault(power, words)

    def settle(self, instruments: Mapping[str, Instrument], last_prices: Mapping[str, Decimal]) -> None:
        """Refuse the file if the prices of a symbol are not what the ledger would take them for.

        `last_prices` are wire prices known of the symbols. Raises ImportRefused.
        """
        for symbol in self.symbols:
            if self._scales.is_given(symbol):
                continue
            found = self._evidence(symbol, instruments.get(symbol), last_prices.get(symbol))
            if found is not None:
                power, words = found
                now = self._scales.factor(symbol)
                raise ImportRefused(self._words(symbol, EXACT.divide(now, _ONE.scaleb(power)), now, words))

    def _evidence(self, symbol: str, instrument: Instrument | None, last: Decimal | None) -> tuple[int, str] | None:
        powers = self._powers.get(symbol)
        if powers:
            ((power, words), *others) = powers.items()
            return (power, words) if power and not others else None
        line, price = self._firsts[symbol]
        power = _power(price, last, slack=_LOG_SLACK) or 0
        if abs(power) >= 2:
            return power, f"line {line} has {number_text(price)}, the last price known is {number_text(last)}"
        return self._by_tick(symbol, instrument) if last is None else None

    def _by_tick(self, symbol: str, instrument: Instrument | None) -> tuple[int, str] | None:
        prices = self._prices[symbol]
        if instrument is None or not instrument.tick or len(prices) < _PRICES_TELLING:
            return None
        shown = [EXACT.multiply(price, instrument.multiplier) for price in prices]
        tick = instrument.tick
        words = f"{len(prices)} prices such as {number_text(min(prices))} beside a tick of {number_text(tick)}"
        if instrument.multiplier != 1 and all(not price % tick for price in prices):
            power = _power(instrument.multiplier, _ONE)
            if power and any(price % tick for price in shown):
                return power, words
        if all(not price % (tick * _HUNDRED) for price in shown):
            return 2, words
        return None

    def _words(self, symbol: str, wanted: Decimal, now: Decimal, evidence: str) -> str:
        return (
            f"{self._path}: the prices of {symbol} are not those of the ledger: {evidence}; "
            f"import it with --scale {symbol}={number_text(wanted)}, or with --scale {symbol}={number_text(now)} "
            "if they are right; nothing was imported"
        )


def _power(price: Decimal, known: Decimal | None, slack: float = 0) -> int | None:
    """Return the power of ten by which a price is the known one, None where it is no power of ten of it."""
    if not known or not price or (price > 0) != (known > 0):
        return 0 if known is not None and price == known else None
    if not slack:
        ratio = (price / known).normalize()
        return ratio.adjusted() if ratio.as_tuple().digits == (1,) else None
    exponent = log10(price / known)
    nearest = round(exponent)
    return nearest if abs(exponent - nearest) <= slack else None
