"""Update lines of `connect`, for scripts and for people."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dtcpos.booking import book, flat
from dtcpos.cli.jsonout import dumps
from dtcpos.cli.keys import FILL_KEYS, POSITION_KEYS, TRADE_KEYS
from dtcpos.cli.updates import render_update, update_json
from dtcpos.model import Action, Break, Instrument, PositionKey
from dtcpos.updates import (
    AlertUpdate,
    BreakUpdate,
    FillUpdate,
    SessionUpdate,
    SyncedUpdate,
    TradeUpdate,
    VerifiedUpdate,
)
from tests.cli.conftest import LIVE_MES, SIM_MES, fill

MES = Instrument(symbol=SIM_MES.symbol, point_value=Decimal(5), currency="USD")
ENTRY = fill(SIM_MES, "+2 @ 5050.25", minute=1)._replace(id=7)
HELD = book(flat(SIM_MES), ENTRY)
EXIT = fill(SIM_MES, "-2 @ 5052.5", minute=2)._replace(id=8)
CLOSED = book(HELD.after, EXIT)
FOUND = Break(
    key=PositionKey("LIVE", "120005", "MNQZ26-CME"),
    kind="missing_there",
    held_quantity=Decimal(-1),
    held_average=Decimal("18200.25"),
    reported_quantity=Decimal(0),
    reported_average=None,
    found_at=datetime(2026, 11, 22, tzinfo=UTC),
    id=3,
)


def test_a_fill_brings_its_keys_the_action_and_the_position_after() -> None:
    """The fill's keys, `action`, and `position` under the position's keys."""
    told = update_json(FillUpdate(fill=ENTRY, mode="SIM", action=Action.OPENED, position=HELD.after, instrument=MES))
    assert tuple(told) == ("event", *FILL_KEYS, "action", "position")
    assert (told["event"], told["action"], told["mode"], told["id"]) == ("fill", "OPENED", "SIM", 7)
    assert tuple(told["position"]) == POSITION_KEYS
    held = told["position"]
    assert (held["side"], held["quantity"], held["entry_price"], held["status"]) == (
        "LONG",
        2,
        Decimal("5050.25"),
        "UNVERIFIED",
    )
    dumps(told)


@pytest.mark.parametrize("position", [None, CLOSED.after])
def test_after_a_closing_fill_the_position_is_null(position: Any) -> None:
    """Null when flat."""
    told = update_json(FillUpdate(fill=EXIT, mode="SIM", action=Action.CLOSED, position=position, instrument=MES))
    assert told["position"] is None
    assert (
        render_update(FillUpdate(fill=EXIT, mode="SIM", action=Action.CLOSED, position=position))
        == "fill      14:02:01Z  SIM Sim1  SELL 2 MESZ26-CME @ 5052.5  CLOSED  now flat"
    )


def test_a_trade_brings_its_keys() -> None:
    """The trade's keys; money through the instrument, points without one."""
    assert CLOSED.trade is not None
    told = update_json(TradeUpdate(trade=CLOSED.trade, instrument=MES))
    assert tuple(told) == ("event", *TRADE_KEYS, "is_restated")
    assert (told["event"], told["realized_points"], told["realized_pnl"]) == ("trade", Decimal("4.5"), Decimal("22.5"))
    assert render_update(TradeUpdate(trade=CLOSED.trade, instrument=MES)) == (
        "trade     14:02:01Z  SIM Sim1  LONG 2 MESZ26-CME  5050.25 to 5052.5  +22.50"
    )
    assert render_update(TradeUpdate(trade=CLOSED.trade, is_restated=True)).endswith("5050.25 to 5052.5  +4.5 pts")


@pytest.mark.parametrize(
    ("update", "keys", "line"),
    [
        (
            SessionUpdate(state="READY", server="127.0.0.1:11099", encoding="json"),
            {"event": "session", "state": "READY", "server": "127.0.0.1:11099", "encoding": "json", "reason": ""},
            "session   READY  127.0.0.1:11099  json",
        ),
        (
            VerifiedUpdate(key=LIVE_MES, quantity=Decimal(-1), at=datetime(2026, 11, 22, tzinfo=UTC)),
            {"event": "verified", "mode": "LIVE", "account": "120005", "symbol": "MESZ26-CME", "quantity": -1},
            "verified  LIVE 120005 MESZ26-CME: the server agrees with -1",
        ),
        (
            AlertUpdate(kind="account", text="new account 120005 is LIVE: no name of a simulation"),
            {"event": "alert", "kind": "account", "mode": None, "account": None, "symbol": None},
            "alert     new account 120005 is LIVE: no name of a simulation",
        ),
        (
            AlertUpdate(kind="overfill", text="more than ordered", key=SIM_MES),
            {"event": "alert", "kind": "overfill", "mode": "SIM", "account": "Sim1", "symbol": "MESZ26-CME"},
            "alert     SIM Sim1 MESZ26-CME: more than ordered",
        ),
        (
            SyncedUpdate(accounts=2, backfilled=1, breaks=0),
            {"event": "synced", "accounts": 2, "backfilled": 1, "breaks": 0, "unfinished": []},
            "synced    2 accounts, 1 missed fill booked, 0 breaks",
        ),
        (
            SyncedUpdate(accounts=1, backfilled=0, breaks=1, unfinished=("Sim1: history rejected",)),
            {"event": "synced", "unfinished": ["Sim1: history rejected"]},
            "synced    1 account, 0 missed fills booked, 1 break\n          not compared: Sim1: history rejected",
        ),
        (
            BreakUpdate(break_=FOUND),
            {"event": "break", "id": 3, "kind": "missing_there", "held_quantity": -1, "reported_quantity": 0},
            "BREAK     LIVE 120005 MNQZ26-CME: missing there; the ledger holds SHORT 1 @ 18200.25, the server nothing",
        ),
        (
            BreakUpdate(break_=FOUND, is_resolved=True),
            {"event": "break", "is_resolved": True, "answer": None},
            "resolved  LIVE 120005 MNQZ26-CME: missing there; the ledger holds SHORT 1 @ 18200.25, the server nothing",
        ),
    ],
)
def test_the_other_events(update: Any, keys: dict[str, Any], line: str) -> None:
    """Each event has its name, its keys, and a line for people."""
    told = update_json(update)
    assert {key: told[key] for key in keys} == keys
    assert next(iter(told)) == "event"
    dumps(told)
    assert render_update(update) == line
