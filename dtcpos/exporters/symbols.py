"""Symbols as trading journals spell them."""

from __future__ import annotations

import re
from datetime import date

from dtcpos.booking import root_of

_MONTH_AND_YEAR = re.compile(r"([FGHJKMNQUVXZ])(\d{4}|\d{1,2})", re.IGNORECASE)
_CURRENCIES = frozenset("USD EUR GBP JPY CHF AUD NZD CAD SEK NOK DKK MXN SGD HKD CNH ZAR".split())


def contract_of(symbol: str, traded_on: date) -> str:
    """Return a futures contract as `ESZ26`, whatever exchange or prefix it came with; other symbols as they are.

    A year of one digit is the one nearest to the day it was traded, looking up to three years back.
    """
    root = root_of(symbol)
    if not is_contract(symbol):
        return symbol
    match = _MONTH_AND_YEAR.match(symbol[len(_prefix(symbol)) + len(root) :])
    assert match is not None, symbol
    month, year = match[1].upper(), match[2]
    if len(year) == 1:
        first = traded_on.year - 3
        year = str(first + (int(year) - first) % 10)
    return f"{root}{month}{year[-2:]}"


def root_name(symbol: str) -> str:
    """Return the root of a futures contract, other symbols as they are; without dots, which TradeNote cannot store."""
    return root_of(symbol).replace(".", "_")


def kind_of(symbol: str) -> str:
    """Return `future`, `forex` or `stock`."""
    if is_contract(symbol):
        return "future"
    pair = symbol.replace("/", "").upper()
    return "forex" if len(pair) == 6 and {pair[:3], pair[3:]} <= _CURRENCIES else "stock"


def is_contract(symbol: str) -> bool:
    """Return whether a symbol is a futures contract."""
    return root_of(symbol) != symbol


def _prefix(symbol: str) -> str:
    return symbol[:5] if symbol.upper().startswith("F.US.") else ""
