"""The venue's own arithmetic."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.model import Side
from dtcpos.sim.books import Execution, Holding, Restatement


def execution(text: str, *, time_s: float = 0.0, ordinal: int = 0) -> Execution:
    signed, _, price = text.split()
    quantity = Decimal(signed)
    return Execution(
        account="A",
        symbol="S",
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=abs(quantity),
        price=Decimal(price),
        time_s=time_s,
        ordinal=ordinal,
        execution_id="",
        history_id="",
        order_id="",
        order_quantity=abs(quantity),
        cumulative=abs(quantity),
        notional=Decimal(0),
    )


@pytest.mark.parametrize(
    ("fills", "quantity", "average"),
    [
        (["+1 @ 10", "+3 @ 14"], "4", "13"),
        (["+4 @ 13", "-1 @ 20"], "3", "13"),
        (["+4 @ 13", "-4 @ 20"], "0", "0"),
        (["+1 @ 10", "-3 @ 12"], "-2", "12"),
        (["-2 @ 10", "-2 @ 20"], "-4", "15"),
        (["-2 @ 10", "+5 @ 11"], "3", "11"),
    ],
)
def test_average_cost(fills: list[str], quantity: str, average: str) -> None:
    """Closing leaves the average alone, a flip starts at the fill's price."""
    holding = Holding()
    for number, text in enumerate(fills):
        holding.add(execution(text, ordinal=number))
    assert (holding.signed_quantity, holding.average_price) == (Decimal(quantity), Decimal(average))


def test_a_late_fill_is_booked_in_its_place() -> None:
    """The order of time decides, not the order of telling."""
    late, early = execution("-1 @ 12", time_s=20, ordinal=1), execution("+2 @ 10", time_s=10, ordinal=2)
    holding = Holding()
    holding.add(late)
    holding.add(early)
    assert (holding.signed_quantity, holding.average_price) == (1, 10)
    assert [after for _, after in holding.executions()] == [2, 1]


def test_a_restatement_overrides_what_was_before() -> None:
    """After it, fills go on from the position it states."""
    holding = Holding()
    holding.add(execution("+2 @ 10"))
    holding.add(Restatement(signed_quantity=Decimal(-5), average_price=Decimal(8), time_s=1.0, ordinal=1))
    holding.add(execution("+1 @ 9", time_s=2))
    assert (holding.signed_quantity, holding.average_price) == (-4, 8)
    assert [after for _, after in holding.executions()] == [2, -4]


def test_a_correction_recomputes() -> None:
    """The corrected execution counts as if it had always been so."""
    holding = Holding()
    first = execution("+1 @ 10")
    holding.add(first)
    holding.add(execution("+1 @ 20", time_s=1))
    holding.correct(first, execution("+3 @ 12"))
    assert (holding.signed_quantity, holding.average_price) == (4, 14)


def test_extremes_belong_to_one_position() -> None:
    """A price seen while flat does not count, and a new position begins with its own."""
    holding = Holding()
    holding.see(Decimal(1))
    assert holding.high is None
    holding.add(execution("+1 @ 10"))
    holding.see(Decimal(15))
    holding.see(Decimal(7))
    assert (holding.low, holding.high) == (7, 15)
    holding.add(execution("-2 @ 12", time_s=1))
    assert (holding.low, holding.high) == (12, 12)
