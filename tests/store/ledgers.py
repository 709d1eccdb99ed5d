"""Nouns as the store's tests need them: short to write, whole to read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from dtcpos.model import Account, Direction, Fill, JournalEntry, Position, PositionKey, Side, Source, Trade
from dtcpos.store import PositionRepository

LEDGERS = Path(__file__).parents[2] / "fixtures" / "ledgers"
MES = "MESZ26-CME"
MNQ = "MNQZ26-CME"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SIM = PositionKey("SIM", "Sim1", MES)
LIVE = PositionKey("LIVE", "120005", MNQ)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def fill(fill_id: int, seconds: float = 0, **other: Any) -> Fill:
    values: dict[str, Any] = {
        "id": fill_id,
        "account": "Sim1",
        "symbol": MES,
        "side": Side.BUY,
        "quantity": Decimal(1),
        "price": Decimal("6850.25"),
        "time": at(seconds),
        "time_is_exact": True,
        "execution_id": f"E-{fill_id}",
        "order_id": "1001",
        "source": Source.LIVE,
        "booked_at": at(3600),
    }
    return Fill(**{**values, **other})


def position(key: PositionKey = SIM, *, opened_by: int = 1, seconds: float = 0, **other: Any) -> Position:
    values: dict[str, Any] = {
        "key": key,
        "signed_quantity": Decimal(1),
        "cost": Decimal("6850.25"),
        "opened_quantity": Decimal(1),
        "opened_notional": Decimal("6850.25"),
        "peak_quantity": Decimal(1),
        "fills": 1,
        "opened_by": opened_by,
        "entry_time": at(seconds),
        "updated_at": at(seconds),
        "price_min": Decimal("6850.25"),
        "price_max": Decimal("6851.5"),
        "mfe": Decimal("1.25"),
    }
    return Position(**{**values, **other})


def trade(opened_by: int, entry: float, exit_: float, key: PositionKey = SIM, **other: Any) -> Trade:
    values: dict[str, Any] = {
        "key": key,
        "direction": Direction.LONG,
        "quantity": Decimal(1),
        "total_quantity": Decimal(1),
        "entry_time": at(entry),
        "exit_time": at(exit_),
        "opened_notional": Decimal("6850.25"),
        "closed_notional": Decimal("6852"),
        "realized": Decimal("1.75"),
        "commission": None,
        "price_min": Decimal(6850),
        "price_max": Decimal(6852),
        "mae": Decimal("-0.25"),
        "mfe": Decimal("1.75"),
        "fills": 2,
        "opened_by": opened_by,
        "closed_by": opened_by + 1,
        "flags": ("commission_unknown",),
    }
    return Trade(**{**values, **other})


def entry(cause: str = "fill", **other: Any) -> JournalEntry:
    values: dict[str, Any] = {
        "at": at(0),
        "cause": cause,
        "account": "Sim1",
        "symbol": MES,
        "before": "",
        "after": "+1",
    }
    return JournalEntry(**{**values, **other})


def account(key: PositionKey = SIM, **other: Any) -> Account:
    return Account(account=key.account, mode=key.mode, rule="name", first_seen_at=at(0), **other)


def fill_small(repository: PositionRepository) -> None:
    """Write the small ledger the fixtures hold: two accounts, a correction, a closed trade, an open position."""
    with repository.transaction():
        repository.put_account(account(SIM, snapshots_trusted=True, last_sync_at=at(60), sync_outcome="complete"))
        repository.put_account(account(LIVE))
        repository.add_fills(
            [
                fill(1, 1.25),
                fill(2, 5, side=Side.SELL, price=Decimal(6852), order_id="1002", position_after=Decimal(0)),
                fill(3, 9, account=LIVE.account, symbol=MNQ, price=Decimal("25300.5"), execution_id="21105928.94042"),
                fill(
                    4, 9, account=LIVE.account, symbol=MNQ, price=Decimal("25300.75"), supersedes=3, reason="corrected"
                ),
            ]
        )
        repository.put_position(position(SIM))
        repository.add_trades([trade(1, 1.25, 5)])
        repository.remove_position(SIM)
        repository.put_position(position(LIVE, opened_by=4, seconds=9, cost=Decimal("25300.75")))
        repository.add_journal([entry(fill_id=1), entry("correction", account=LIVE.account, symbol=MNQ, fill_id=4)])
        repository.set_preference("mode", "SIM")
