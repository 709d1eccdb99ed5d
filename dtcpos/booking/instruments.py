"""What a symbol is worth: spellings resolved to a root, and where each value comes from.

The server's definition comes first, then what the user's settings say of the symbol or its root, then a small table of
common futures. What a person sets for a symbol in the ledger stands above all three. Nothing is guessed: a symbol in
none of them has no point value, and its money is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from attrs import evolve

from dtcpos.model import Instrument, Terms

SERVER, USER, SETTINGS, SHIPPED = "server", "user", "settings", "shipped"

# Money per point, contract and side of common US futures, in USD, as their exchanges specify them.
_POINT_VALUES = {
    "ES": "50",
    "MES": "5",
    "NQ": "20",
    "MNQ": "2",
    "YM": "5",
    "MYM": "0.5",
    "RTY": "50",
    "M2K": "5",
    "CL": "1000",
    "MCL": "100",
    "NG": "10000",
    "GC": "100",
    "MGC": "10",
    "SI": "5000",
    "ZB": "1000",
    "ZN": "1000",
    "ZF": "1000",
    "ZT": "2000",
    "6E": "125000",
}
# A root, a month letter, a year of one, two or four digits; then an exchange in one of several spellings.
_CONTRACT = re.compile(r"(?:F\.US\.)?([A-Z0-9]{1,5}?)([FGHJKMNQUVXZ])(\d{1,2}|\d{4})(?:[-_.].*)?", re.IGNORECASE)


def root_of(symbol: str) -> str:
    """Return the root of a futures contract: `MES` of `MESZ26-CME`, `MESZ26_FUT_CME`, `F.US.MESZ26` or `MESZ6`.

    A symbol that is no futures contract is its own root.
    """
    match = _CONTRACT.fullmatch(symbol)
    return match.group(1).upper() if match is not None else symbol


def assumed(symbol: str, settings: Mapping[str, Terms]) -> Instrument:
    """Return what is known of a symbol before any server has defined it."""
    instrument = Instrument(symbol=symbol)
    shipped = _POINT_VALUES.get(root_of(symbol))
    if shipped is not None:
        instrument = evolve(instrument, point_value=Decimal(shipped), point_value_source=SHIPPED, currency="USD")
    return ruled(instrument, settings)


def ruled(instrument: Instrument, settings: Mapping[str, Terms]) -> Instrument:
    """Apply the settings where neither a server nor a person has said otherwise; commission is theirs to say."""
    terms = settings.get(instrument.symbol) or settings.get(root_of(instrument.symbol))
    if terms is None:
        if instrument.commission_source != SETTINGS:
            return instrument
        return evolve(instrument, commission=None, commission_source="")
    if terms.point_value is not None and instrument.point_value_source not in (SERVER, USER):
        instrument = evolve(instrument, point_value=terms.point_value, point_value_source=SETTINGS)
    if terms.multiplier is not None and instrument.multiplier_source not in (SERVER, USER):
        instrument = evolve(instrument, multiplier=terms.multiplier, multiplier_source=SETTINGS)
    if instrument.commission_source != USER:
        source = SETTINGS if terms.commission is not None else ""
        instrument = evolve(instrument, commission=terms.commission, commission_source=source)
    return evolve(
        instrument,
        tick=instrument.tick if instrument.tick is not None else terms.tick,
        currency=instrument.currency or terms.currency,
    )


def defined(told: Instrument, known: Instrument | None) -> Instrument:
    """Take a server's definition; what a person set stays, and so does a commission, which no server tells."""
    if known is None:
        return told
    told = evolve(told, commission=known.commission, commission_source=known.commission_source)
    if known.point_value_source == USER:
        told = evolve(told, point_value=known.point_value, point_value_source=USER)
    if known.multiplier_source == USER:
        told = evolve(told, multiplier=known.multiplier, multiplier_source=USER)
    return told
