"""Positions and money through the wire, in every encoding: exact prices, flips, parts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.dtc import Encoding
from dtcpos.model import Action
from dtcpos.updates import FillUpdate
from tests.outcome import outcome_of, prove
from tests.pair import Pair

ENCODINGS = pytest.mark.parametrize("encoding", Encoding, ids=lambda encoding: encoding.word)
TERMS = """
account Sim1
symbol ZN tick 0.015625 value 15.625
symbol 6E tick 0.00005 value 6.25
symbol CL tick 0.01 value 10
symbol ES tick 0.25 value 12.50
symbol BTC tick 0.00000001 value 0.00000001
"""


@ENCODINGS
@pytest.mark.parametrize(
    "held",
    [
        "+1 ZN @ 110.515625",
        "-3 6E @ 1.08455",
        "+2 CL @ -37.63",
        "+1 ES @ 5050.25",
        "+1 CL @ 0",
        "-1 CL @ 0",
        "+0.001 BTC @ 0.00000001",
        "-0.001 BTC @ 64999.99999999",
    ],
)
def test_prices_and_quantities_survive_exactly(held: str, encoding: Encoding) -> None:
    """P3: what the venue means is what the ledger holds, live and from history, and 0 is a price."""
    live = Pair(terms=TERMS, encoding=encoding).connect().fill(held, id="E-1").settle()
    past = Pair(terms=TERMS, encoding=encoding).fill(held, id="E-1", away=True).connect().settle()
    for pair in (live, past):
        assert pair.positions() == [f"Sim1 {held}"]
        assert pair.fills() == [f"Sim1 {held} E-1"]
        assert pair.repository.open_breaks() == []


def test_a_trade_between_odd_prices_is_exact() -> None:
    """P3: differences of prices that no float holds are exact."""
    pair = Pair(terms=TERMS).connect()
    pair.fill("+2 CL @ -37.63", id="C-1").fill("-2 CL @ 0", id="C-2")
    pair.fill("-3 6E @ 1.08455", id="E-1").fill("+3 6E @ 1.0846", id="E-2")
    pair.fill("+0.003 BTC @ 0.00000003", id="B-1").fill("-0.003 BTC @ 0.00000001", id="B-2")
    assert pair.trades() == [
        "Sim1 SHORT 3 6E 1.08455 to 1.0846 = -0.00015",
        "Sim1 LONG 0.003 BTC 0.00000003 to 0.00000001 = -0.00000000006",
        "Sim1 LONG 2 CL -37.63 to 0 = 75.26",
    ]


@ENCODINGS
def test_a_flip_is_one_fill_one_trade_and_one_position(encoding: Encoding) -> None:
    """P1: through zero: the old position becomes a trade, the rest opens a new one, one execution id for both."""
    pair = Pair(encoding=encoding).connect().fill("+2 MES @ 5050", id="E-1").fill("-5 MES @ 5060.25", id="E-2").settle()
    assert pair.trades() == ["Sim1 LONG 2 MES 5050 to 5060.25 = 20.5"]
    assert pair.positions() == ["Sim1 -3 MES @ 5060.25"]
    assert pair.fills() == ["Sim1 +2 MES @ 5050 E-1", "Sim1 -5 MES @ 5060.25 E-2"]
    assert [update.action for update in pair.told_of(FillUpdate)] == [Action.OPENED, Action.REVERSED]


def test_the_five_actions_in_a_row() -> None:
    """P1: open, scale in, scale out, flip, close; a trade of zero duration is a trade."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1").fill("+1 MES @ 5052", id="E-2")
    pair.fill("-1 MES @ 5054", id="E-3").fill("-2 MES @ 5056", id="E-4").fill("+1 MES @ 5056", id="E-5")
    at = "2026-11-28T13:00:00.250"
    pair.fill("+1 MES @ 5060", id="E-6", at=at).fill("-1 MES @ 5061", id="E-7", at=at)
    assert pair.trades() == [
        "Sim1 LONG 2 MES 5051 to 5055 = 8",
        "Sim1 SHORT 1 MES 5056 to 5056 = 0",
        "Sim1 LONG 1 MES 5060 to 5061 = 1",
    ]
    actions = "OPENED INCREASED REDUCED REVERSED CLOSED OPENED CLOSED"
    assert [str(update.action) for update in pair.told_of(FillUpdate)] == actions.split()
    assert pair.positions() == []


def test_an_average_that_does_not_terminate_does_not_drift() -> None:
    """P3: three fills, closed in seven parts: the cost ends at exactly 0, and the trade's profit is the cash."""
    pair = Pair(terms=TERMS).connect()
    for number, text in enumerate(("+1 ES @ 5050.25", "+1 ES @ 5050.50", "+1 ES @ 5051"), 1):
        pair.fill(text, id=f"E-{number}")
    parts = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6"]
    for number, part in enumerate(parts, 11):
        pair.fill(f"-{part} ES @ 5053.75", id=f"E-{number}")
        ((_, position),) = pair.repository.positions().items()
        moved = -Decimal("15151.75") + sum(map(Decimal, parts[: number - 10])) * Decimal("5053.75")
        assert position.realized is not None
        assert position.cost is not None
        assert position.realized - position.cost == moved
    pair.fill("-0.9 ES @ 5053.75", id="E-20")
    assert pair.positions() == []
    (trade,) = pair.repository.trades_of_key("Sim1", "ES")
    assert trade.realized == Decimal("9.5")
    prove(pair.repository)


@ENCODINGS
@pytest.mark.parametrize("is_live", [True, False], ids=["live", "history"])
def test_a_display_multiplier_gives_the_same_trades(encoding: Encoding, is_live: bool) -> None:
    """P5: the same session served scaled or unscaled comes to the same positions and trades."""
    outcomes = []
    for multiplier in ("", "multiplier 0.01"):
        pair = Pair(terms=f"account Sim1\nsymbol MES tick 0.25 value 1.25 {multiplier}", encoding=encoding)
        if is_live:
            pair.connect()
        for number, text in enumerate(("+2 MES @ 5050.25", "-3 MES @ 5051.50", "-1 MES @ 5049"), 1):
            pair.fill(text, id=f"E-{number}", away=not is_live)
        pair = pair.reconnect().settle() if is_live else pair.connect().settle()
        outcomes.append(outcome_of(pair.repository))
        assert pair.repository.open_breaks() == []
    assert outcomes[0].positions == outcomes[1].positions
    assert outcomes[0].trades == outcomes[1].trades
