"""What a ledger has lost is named, and a rebuild makes nothing from what is left of it."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.keeping.corrections import Corrections
from dtcpos.store import LedgerReader, PositionRepository
from tests.test_rebuilding import NOW, content, differences, path, rebuilt

__all__ = ["path"]


def damaged(path: Path, *statements: str) -> None:
    """Do what the ledger's triggers refuse."""
    connection = sqlite3.connect(path, isolation_level=None)
    guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in guards:
        connection.execute(sql)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM fill WHERE id = 3", "fill 3 is missing; restore a backup"),
        ("DELETE FROM journal WHERE id IN (4, 5)", "journal 4 to 5 are missing; restore a backup"),
    ],
)
def test_a_row_that_is_gone_is_named(path: Path, statement: str, words: str) -> None:
    """N15: rows of the ledger are numbered without a gap, so a gap is one that was lost; also after a rebuild."""
    damaged(path, statement)
    assert words in differences(path)
    rebuilt(path)
    assert words in differences(path)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM fill WHERE id = 3",
        "UPDATE fill SET symbol = 'MDS' WHERE id = 3",
        "UPDATE fill SET account = 'Sim3' WHERE id = 3",
        "UPDATE fill SET is_void = 3 WHERE id = 3",
        "UPDATE fill SET id = 19 WHERE id = 3",
        "UPDATE fill SET supersedes = 2 WHERE id = 3",
        "UPDATE fill SET account = 'x', symbol = 'y' WHERE symbol = 'MES'",
    ],
)
def test_nothing_is_made_from_fills_of_which_one_is_lost(path: Path, statement: str) -> None:
    """N15: where a damaged fill is no longer among those of its key, what it came to is right and stays."""
    before = content_of_projections(path)
    damaged(path, statement)
    assert rebuilt(path).left
    assert content_of_projections(path) == before


def test_nothing_is_made_from_a_sighting_that_tells_of_another_fill(path: Path) -> None:
    """N15: the fill that it told of is another without it, so no difference can be trusted."""
    before = content_of_projections(path)
    damaged(
        path, "UPDATE resighting SET fill_id = 1, source = 'IMPORT' WHERE fill_id = 4", "UPDATE trade SET fills = 9"
    )
    wrong = content_of_projections(path)
    assert wrong != before
    assert rebuilt(path).left
    assert content_of_projections(path) == wrong


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE account SET mode = 'LIVE' WHERE account = 'Sim1'",
        "UPDATE account SET account = 'Sim2' WHERE account = 'Sim1'",
        "DELETE FROM account WHERE account = 'Sim1'",
        "UPDATE instrument SET multiplier = '9' WHERE symbol = 'MES'",
        "UPDATE instrument SET commission = '9' WHERE symbol = 'MES'",
        "DELETE FROM instrument WHERE symbol = 'MES'",
    ],
)
def test_nothing_is_made_with_an_account_or_an_instrument_that_is_damaged(path: Path, statement: str) -> None:
    """N15, M2: positions and trades stay in the mode, at the prices and with the brackets that are right."""
    before = content_of_projections(path)
    damaged(path, statement)
    rebuilt(path)
    assert content_of_projections(path) == before


def content_of_projections(path: Path) -> list[object]:
    """Return every row of the projections with every column."""
    connection = sqlite3.connect(path)
    rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("open_position", "trade")]
    connection.close()
    return list(rows)


COUNTERS = (
    "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'trade'",
    "UPDATE sqlite_sequence SET name = 'tradf' WHERE name = 'trade'",
    "UPDATE sqlite_sequence SET seq = 'x' WHERE name = 'trade'",
    "DELETE FROM sqlite_sequence",
)


@pytest.mark.parametrize("statement", COUNTERS)
def test_a_counter_that_would_give_an_id_again_is_named_and_mended(path: Path, statement: str) -> None:
    """N15: an export's cursor would pass over a trade of an earlier id."""
    before = content(path)
    damaged(path, statement)
    assert differences(path) == ["file: the counter of table trade would give an id again that is in use"]
    assert len(rebuilt(path).mended) == 1
    assert not differences(path)
    assert content(path) == before


@pytest.mark.parametrize("statement", [*COUNTERS, "UPDATE trade SET id = 99 WHERE id = 2"])
def test_a_damaged_counter_stops_no_trade(path: Path, statement: str) -> None:
    """N1: whoever closes a position books it, whatever the file says of the last id."""
    damaged(path, statement)
    with PositionRepository.open(path) as repository:
        with repository.transaction():
            Corrections(repository, now=NOW).close(
                "Sim1", "MES", price=Decimal(5003), quantity=None, time=None, reason="by phone"
            )
        assert len(repository.trades_of_key("Sim1", "MES")) == 4


def test_a_trade_whose_first_fill_is_damaged_keeps_its_id_and_its_extremes(path: Path) -> None:
    """N15, U3: an export has told it under its id, and nobody tells the prices again."""
    with LedgerReader.open(path) as reader:
        before = [closed.trade for closed in reader.trades()]
    damaged(path, "UPDATE trade SET opened_by = 130 WHERE id = 1")
    rebuilt(path)
    assert not differences(path)
    with LedgerReader.open(path) as reader:
        assert [closed.trade for closed in reader.trades()] == before


@pytest.mark.parametrize("column", ["opened_by", "fills", "signed_quantity"])
def test_a_damaged_position_keeps_what_is_beside_it(path: Path, column: str) -> None:
    """N15, P9: where all else is as the fills say it is the same position, and the server agreed with it."""
    before = content_of_projections(path)
    damaged(path, f"UPDATE open_position SET {column} = 130 WHERE symbol = 'MES'")
    rebuilt(path)
    assert not differences(path)
    assert content_of_projections(path) == before
