"""The ledger's schema, one migration per released version.

Invariants:
1. `fill`, `resighting` and `journal` only grow: triggers refuse UPDATE and DELETE, and an INSERT that would replace.
2. Amounts are canonical decimal TEXT and times ISO-8601 UTC TEXT of one width, so that text order is time order.
3. A released migration is never edited; a change is a further one, with a fixture of the version before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

# "dtcp" in ASCII, so that file(1) and others can tell a ledger from any SQLite file.
APPLICATION_ID: Final = 0x64746370
SCHEMA_VERSION: Final = 1

_LEDGER = """
CREATE TABLE account (
    account TEXT PRIMARY KEY,
    mode TEXT NOT NULL,
    rule TEXT NOT NULL,
    first_seen_at TEXT NOT NULL,
    snapshots_trusted INTEGER NOT NULL DEFAULT 0,
    last_sync_at TEXT,
    sync_outcome TEXT NOT NULL DEFAULT '',
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fill (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity TEXT NOT NULL,
    price TEXT,
    time TEXT NOT NULL,
    time_is_exact INTEGER NOT NULL,
    execution_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    parent_order_id TEXT NOT NULL,
    cumulative_quantity TEXT,
    position_after TEXT,
    place INTEGER,
    source TEXT NOT NULL,
    commission TEXT,
    flags TEXT NOT NULL,
    reason TEXT NOT NULL,
    raw TEXT NOT NULL,
    supersedes INTEGER REFERENCES fill (id),
    is_void INTEGER NOT NULL,
    booked_at TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE INDEX fill_by_key ON fill (account, symbol, time);
CREATE INDEX fill_by_execution ON fill (account, execution_id) WHERE execution_id <> '';
CREATE INDEX fill_by_order ON fill (account, order_id) WHERE order_id <> '';
CREATE INDEX fill_by_superseded ON fill (supersedes) WHERE supersedes IS NOT NULL;

CREATE TABLE resighting (
    fill_id INTEGER NOT NULL REFERENCES fill (id),
    source TEXT NOT NULL,
    account TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    time TEXT,
    time_is_exact INTEGER NOT NULL,
    position_after TEXT,
    place INTEGER,
    seen_at TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (fill_id, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX resighting_by_execution ON resighting (account, execution_id) WHERE execution_id <> '';
CREATE INDEX resighting_by_time ON resighting (account, time);

CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    cause TEXT NOT NULL,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    reason TEXT NOT NULL,
    fill_id INTEGER,
    checksum INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_by_key ON journal (account, symbol, id);
CREATE INDEX journal_by_person ON journal (id) WHERE cause IN ('close', 'fix add', 'fix replace', 'fix void', 'undo');
"""

# REPLACE deletes without firing DELETE triggers unless the connection asks for it, hence the INSERT triggers: 0.8 of
# the 6 µs an INSERT takes, for a ledger that holds against any program that opens it.
_APPEND_ONLY = """
CREATE TRIGGER {table}_never_updated BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: a row of {table} cannot be updated'); END;
CREATE TRIGGER {table}_never_deleted BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: a row of {table} cannot be deleted'); END;
"""
_NEVER_REPLACED = """
CREATE TRIGGER {table}_never_replaced BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: a row of {table} cannot be replaced'); END;
"""
# A source that has told a fill before is no news, so its row is passed over. What the fill's own source said is in the
# fill's own row: a second row and its index for every fill would be a sixth of all the work of booking it.
_SIGHTED_ONCE = """
CREATE TRIGGER resighting_never_replaced BEFORE INSERT ON resighting
WHEN EXISTS (SELECT 1 FROM resighting WHERE fill_id = NEW.fill_id AND source = NEW.source)
OR EXISTS (SELECT 1 FROM fill WHERE id = NEW.fill_id AND source = NEW.source)
BEGIN SELECT RAISE(IGNORE); END;
"""

_PROJECTIONS = """
CREATE TABLE open_position (
    mode TEXT NOT NULL,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    signed_quantity TEXT NOT NULL,
    cost TEXT,
    realized TEXT,
    opened_quantity TEXT NOT NULL,
    opened_notional TEXT,
    closed_notional TEXT,
    peak_quantity TEXT NOT NULL,
    commission TEXT,
    fills INTEGER NOT NULL,
    opened_by INTEGER,
    entry_time TEXT,
    updated_at TEXT,
    trade_min_price TEXT,
    trade_max_price TEXT,
    mae TEXT NOT NULL,
    mfe TEXT NOT NULL,
    flags TEXT NOT NULL,
    target_price TEXT,
    stop_price TEXT,
    entry_vwap TEXT,
    entry_cum_delta TEXT,
    entry_poc TEXT,
    heat_since TEXT,
    initial_risk TEXT,
    agreed_quantity TEXT,
    agreed_at TEXT,
    compared_at TEXT,
    comparison TEXT NOT NULL DEFAULT '',
    checksum INTEGER NOT NULL,
    beside_checksum INTEGER NOT NULL,
    PRIMARY KEY (mode, account, symbol)
) STRICT, WITHOUT ROWID;

CREATE TABLE trade (
    -- AUTOINCREMENT, because an export's cursor remembers an id and a replay may remove the newest trade.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mode TEXT NOT NULL,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL CHECK (side IN ('LONG', 'SHORT')),
    quantity TEXT NOT NULL,
    total_quantity TEXT NOT NULL,
    entry_time TEXT NOT NULL,
    exit_time TEXT NOT NULL,
    opened_notional TEXT,
    closed_notional TEXT,
    realized TEXT,
    commission TEXT,
    trade_min_price TEXT,
    trade_max_price TEXT,
    mae TEXT,
    mfe TEXT,
    fills INTEGER NOT NULL,
    opened_by INTEGER,
    closed_by INTEGER,
    flags TEXT NOT NULL,
    entry_vwap TEXT,
    entry_cum_delta TEXT,
    entry_poc TEXT,
    initial_risk TEXT,
    exit_vwap TEXT,
    exit_cum_delta TEXT,
    exit_poc TEXT,
    checksum INTEGER NOT NULL,
    beside_checksum INTEGER NOT NULL,
    UNIQUE (account, symbol, opened_by)
) STRICT;
CREATE INDEX trade_by_mode ON trade (mode, exit_time);
CREATE INDEX trade_by_key ON trade (account, symbol, exit_time);
"""

_AROUND = """
CREATE TABLE working_order (
    account TEXT NOT NULL,
    order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT,
    order_type INTEGER NOT NULL,
    status INTEGER NOT NULL,
    price1 TEXT,
    price2 TEXT,
    quantity TEXT,
    filled_quantity TEXT,
    parent_order_id TEXT NOT NULL,
    oco_order_id TEXT NOT NULL,
    updated_at TEXT,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (account, order_id)
) STRICT, WITHOUT ROWID;
-- Orders are kept when they are done; those that can still trade are few. The statuses are those of `is_working`.
CREATE INDEX working_order_open ON working_order (account) WHERE status IN (1, 2, 3, 4, 5, 6, 10);

CREATE TABLE mark (
    symbol TEXT PRIMARY KEY,
    price TEXT NOT NULL,
    time TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE instrument (
    symbol TEXT PRIMARY KEY,
    point_value TEXT,
    tick TEXT,
    multiplier TEXT NOT NULL,
    price_format INTEGER,
    currency TEXT NOT NULL,
    commission TEXT,
    point_value_source TEXT NOT NULL,
    multiplier_source TEXT NOT NULL,
    commission_source TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE break_ (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    mode TEXT NOT NULL,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    kind TEXT NOT NULL,
    held_quantity TEXT NOT NULL,
    held_average TEXT,
    reported_quantity TEXT,
    reported_average TEXT,
    found_at TEXT NOT NULL,
    answer TEXT NOT NULL,
    answered_at TEXT,
    checksum INTEGER NOT NULL
) STRICT;
CREATE INDEX break_open ON break_ (account, symbol) WHERE answer = '';

CREATE TABLE export_cursor (
    name TEXT PRIMARY KEY,
    what TEXT NOT NULL,
    last_id INTEGER NOT NULL,
    pending_path TEXT,
    pending_id INTEGER,
    updated_at TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE link (
    server TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    last_heard_at TEXT,
    heartbeat_interval_s REAL NOT NULL,
    holder_pid INTEGER NOT NULL,
    since TEXT NOT NULL,
    encoding TEXT NOT NULL,
    server_name TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    contacted_at TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (account, symbol)
) STRICT, WITHOUT ROWID;

-- What history said of each hour when it was booked whole, so that the same answer need not be read again.
CREATE TABLE history_hour (
    account TEXT NOT NULL,
    hour INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (account, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE preference (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_VIEWS = """
CREATE VIEW sighting AS
SELECT id AS fill_id, source, account, execution_id, order_id, time, time_is_exact, position_after, place,
    booked_at AS seen_at
FROM fill
UNION ALL
SELECT fill_id, source, account, execution_id, order_id, time, time_is_exact, position_after, place, seen_at
FROM resighting;

CREATE VIEW fills AS
SELECT f.id, a.mode, f.account, f.symbol, f.side, CAST(f.quantity AS REAL) AS quantity, CAST(f.price AS REAL) AS price,
    f.time, f.execution_id, f.order_id, f.source, CAST(f.commission AS REAL) AS commission,
    CAST(f.position_after AS REAL) AS position_after, f.booked_at, f.reason, f.flags
FROM fill f LEFT JOIN account a ON a.account = f.account
WHERE NOT f.is_void AND NOT EXISTS (SELECT 1 FROM fill newer WHERE newer.supersedes = f.id);

CREATE VIEW positions AS
SELECT p.mode, p.account, p.symbol, CASE WHEN CAST(p.signed_quantity AS REAL) > 0 THEN 'LONG' ELSE 'SHORT' END AS side,
    CAST(p.signed_quantity AS REAL) AS quantity,
    CAST(p.cost AS REAL) / CAST(p.signed_quantity AS REAL) AS entry_price, CAST(p.cost AS REAL) AS cost, p.entry_time,
    CAST(p.target_price AS REAL) AS target_price, CAST(p.stop_price AS REAL) AS stop_price,
    CAST(p.trade_min_price AS REAL) AS trade_min_price, CAST(p.trade_max_price AS REAL) AS trade_max_price,
    CAST(p.mae AS REAL) AS mae_points, CAST(p.mfe AS REAL) AS mfe_points,
    CAST(p.realized AS REAL) AS realized_points, CAST(p.commission AS REAL) AS commission,
    CAST(m.price AS REAL) AS mark_price, m.time AS mark_time,
    CAST(m.price AS REAL) * CAST(p.signed_quantity AS REAL) - CAST(p.cost AS REAL) AS unrealized_points,
    CAST(i.point_value AS REAL) AS point_value, i.currency, p.agreed_at, p.updated_at, p.flags
FROM open_position p LEFT JOIN mark m ON m.symbol = p.symbol LEFT JOIN instrument i ON i.symbol = p.symbol;

CREATE VIEW trades AS
SELECT t.id, t.mode, t.account, t.symbol, t.side, CAST(t.quantity AS REAL) AS quantity,
    CAST(t.total_quantity AS REAL) AS total_quantity, t.entry_time, t.exit_time,
    CAST(CASE t.side WHEN 'LONG' THEN t.opened_notional ELSE t.closed_notional END AS REAL) AS bought_notional,
    CAST(CASE t.side WHEN 'LONG' THEN t.closed_notional ELSE t.opened_notional END AS REAL) AS sold_notional,
    CAST(t.opened_notional AS REAL) / CAST(t.total_quantity AS REAL) AS entry_price,
    CAST(t.closed_notional AS REAL) / CAST(t.total_quantity AS REAL) AS exit_price,
    CAST(t.realized AS REAL) AS realized_points,
    CAST(t.realized AS REAL) * CAST(i.point_value AS REAL) AS realized_pnl, CAST(t.commission AS REAL) AS commission,
    i.currency, CAST(t.mae AS REAL) AS mae_points, CAST(t.mfe AS REAL) AS mfe_points,
    CAST(t.trade_min_price AS REAL) AS trade_min_price, CAST(t.trade_max_price AS REAL) AS trade_max_price,
    t.fills, t.flags
FROM trade t LEFT JOIN instrument i ON i.symbol = t.symbol;
"""


def migrations() -> Migrations:
    """Return the migrations in order; the only place that imports sqlite-utils besides the repository."""
    from sqlite_utils.migrations import Migrations

    ordered = Migrations("dtcpos")
    ordered(name="1_first_release")(_first_release)
    return ordered


def _first_release(db: Database) -> None:
    guards = [_APPEND_ONLY.format(table=table) for table in ("fill", "resighting", "journal")]
    guards += [_NEVER_REPLACED.format(table=table) for table in ("fill", "journal")]
    _apply(db, "".join((_LEDGER, *guards, _SIGHTED_ONCE, _PROJECTIONS, _AROUND, _VIEWS)), version=1)


def _apply(db: Database, script: str, *, version: int) -> None:
    """Run a script statement by statement: `executescript` would commit the migration's transaction."""
    from sqlite3 import complete_statement

    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if complete_statement(statement):
            db.conn.execute(statement)
            statement = ""
    assert not statement.strip()
    db.conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.conn.execute(f"PRAGMA user_version = {version}")
