"""Rows that may change, proved by the checksums they carry."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dtcpos.model import ZERO, Break, Snapshot, Verification
from dtcpos.store import AuditReader, ExportCursor
from tests.notation import KEY
from tests.test_proving import alter, proof, some_trading

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sql", "kind", "words"),
    [
        ("UPDATE account SET snapshots_trusted = 1 - snapshots_trusted", "account", "account 120005 is not"),
        ("UPDATE account SET rule = 'name' WHERE account = 'Sim1'", "account", "account Sim1 is not"),
        ("UPDATE instrument SET point_value = '5.5' WHERE symbol = 'MES'", "table", "table instrument, row MES is not"),
        ("UPDATE working_order SET price1 = '4981' WHERE order_id = '7'", "order", "order Sim1 7 is not"),
        ("UPDATE mark SET price = '5003.25'", "table", "table mark, row MES is not"),
        ("UPDATE link SET holder_pid = holder_pid + 1", "table", "table link, row "),
        ("UPDATE contact SET contacted_at = replace(contacted_at, '2', '3')", "table", "table contact, row 120005 MNQ"),
        ("UPDATE preference SET value = 'LIVE'", "table", "table preference, row view is not"),
        ("UPDATE break_ SET held_quantity = '9'", "table", "table break_, row 1 is not"),
        ("UPDATE export_cursor SET last_id = 1", "table", "table export_cursor, row nightly is not"),
        (
            "UPDATE open_position SET stop_price = '4981' WHERE symbol = 'MES'",
            "position",
            "MES keeps beside its booking",
        ),
        ("UPDATE open_position SET comparison = 'agree'", "position", "MES keeps beside its booking"),
        ("UPDATE open_position SET agreed_quantity = '3'", "position", "MES keeps beside its booking"),
        ("UPDATE open_position SET mae = '-5000' WHERE symbol = 'MES'", "position", "MES has wider extremes than were"),
        ("UPDATE trade SET mfe = '5000'", "trade", "has wider extremes than were written: its checksum differs"),
        ("UPDATE trade SET initial_risk = '3'", "trade", "keeps beside its booking what was not written"),
        ("UPDATE trade SET exit_vwap = '5003'", "trade", "keeps beside its booking what was not written"),
    ],
)
def test_what_no_fill_tells_is_proved_by_its_checksum(sql: str, kind: str, words: str) -> None:
    """N15: a row that may change says what it said when it was written, and one that does not is named once."""
    pair = some_trading().perform("tick MES 5003", "order Sim1 7 SELL 2 MES stop 4980").settle()
    with pair.repository.transaction():
        pair.repository.set_preference("view", "SIM")
        pair.repository.put_export_cursor(ExportCursor(name="nightly", what="trades", last_id=3, updated_at=NOW))
        pair.repository.add_break(
            Break(
                key=KEY,
                kind="quantity",
                held_quantity=ZERO,
                held_average=None,
                reported_quantity=Decimal(1),
                reported_average=None,
                found_at=NOW,
                answer="keep",
            )
        )
    assert not proof(pair)
    alter(pair, sql)
    found = [each for each in proof(pair) if words in each.text]
    assert [each.kind for each in found] == [kind], proof(pair)


def test_whatever_is_written_in_parts_is_sealed() -> None:
    """N15: no writer leaves a row behind whose checksum is not its own."""
    pair = some_trading()
    (key,) = [key for key in pair.keeper.positions if key.symbol == "MES"]
    (trade,) = [closed.trade for closed in AuditReader(pair.repository.database.conn, ":memory:").trades()]
    repository, one = pair.repository, Decimal(1)
    with repository.transaction():
        repository.put_verification(Verification(key=key, agreed_quantity=one, agreed_at=NOW, outcome="agreed"))
        repository.set_brackets(key, Decimal(5010), Decimal(4990))
        repository.set_heat(key, NOW)
        repository.set_initial_risk(key, Decimal(12))
        repository.set_entry_snapshot(key, vwap=one, cum_delta=one, poc=None)
        repository.set_trade_snapshots(trade, entry=Snapshot(vwap=one), exit_=Snapshot(poc=one))
        repository.replace_trade(trade._replace(mfe=Decimal(900)))
    assert not proof(pair)
    # The trade of it inherits what was kept beside the position.
    pair.fill("-2 MES @ 5003", id="a-5", order="9").settle()
    assert not proof(pair)
    with repository.transaction():
        break_id = repository.add_break(
            Break(
                key=key,
                kind="quantity",
                held_quantity=ZERO,
                held_average=None,
                reported_quantity=one,
                reported_average=None,
                found_at=NOW,
            )
        )
        repository.answer_break(break_id, "keep", NOW)
        repository.end_keep(break_id)
        repository.relabel_account("Sim1", "PAPER", "set by hand")
    assert not proof(pair)
