"""Reconciliation: what differs, and what silence does not mean."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.booking import flat, fold, reconcile
from dtcpos.model import Break, Instrument, Position, PositionKey, ReportedPosition
from tests.notation import KEY, at, fills

D = Decimal


def held(text: str) -> dict[PositionKey, Position]:
    return {KEY: fold(flat(KEY), fills(text))[-1].after}


def breaks(
    ours: dict[PositionKey, Position], theirs: list[tuple[str, str | None]], *, trusted: bool = True, tick: str = "0.25"
) -> list[Break]:
    reported = [
        ReportedPosition(
            account=KEY.account,
            symbol=KEY.symbol,
            signed_quantity=D(quantity),
            average_price=None if average is None else D(average),
        )
        for quantity, average in theirs
    ]
    return reconcile(
        ours,
        reported,
        modes={KEY.account: KEY.mode},
        trusted=[KEY.account] if trusted else [],
        instruments={KEY.symbol: Instrument(symbol=KEY.symbol, tick=D(tick))},
        found_at=at(0),
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        ("+1 @ 5000", ("2", "5000"), "quantity"),
        ("+1 @ 5000", ("-1", "5000"), "side"),
        ("+1 @ 5000", ("0", None), "missing_there"),
        ("+1 @ 5000", ("1", "5000.5"), "average_price"),
        ("+1 @ -37.63", ("1", "-38.13"), "average_price"),
    ],
)
def test_each_kind_of_break(ours: str, theirs: tuple[str, str | None], kind: str) -> None:
    """N12: quantity before side before average, one break per key; negative prices compare like others."""
    assert [found.kind for found in breaks(held(ours), [theirs])] == [kind]


def test_what_only_the_server_holds_is_missing_here() -> None:
    """N12: a snapshot never opens a position by itself."""
    assert [found.kind for found in breaks({}, [("1", "5000")])] == ["missing_here"]


def test_agreement_within_a_tick_is_agreement() -> None:
    """N12: the server's average may be rounded to a tick."""
    assert breaks(held("+1 @ 5000, +2 @ 5000.25"), [("3", "5000.25")]) == []


def test_silence_breaks_nothing_until_snapshots_are_trusted() -> None:
    """N11: absent from a snapshot is no statement until one has proved complete."""
    assert breaks(held("+1 @ 5000"), [], trusted=False) == []
    assert [found.kind for found in breaks(held("+1 @ 5000"), [])] == ["missing_there"]
