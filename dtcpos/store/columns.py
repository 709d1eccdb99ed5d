"""The columns of each table in the order the rows are written and read, and the statements made of them.

Every statement is a constant, so that sqlite3 prepares it once and finds it in its cache ever after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FILL: Final = _names(
    "id account symbol side quantity price time time_is_exact execution_id order_id parent_order_id "
    "cumulative_quantity position_after place source commission flags reason raw supersedes is_void booked_at"
)
SIGHTING: Final = _names("fill_id source account execution_id order_id time time_is_exact position_after place seen_at")
OPEN_POSITION: Final = _names(
    "mode account symbol signed_quantity cost realized opened_quantity opened_notional closed_notional peak_quantity "
    "commission fills opened_by entry_time updated_at trade_min_price trade_max_price mae mfe flags"
)
TRADE: Final = _names(
    "id mode account symbol side quantity total_quantity entry_time exit_time opened_notional closed_notional "
    "realized commission trade_min_price trade_max_price mae mfe fills opened_by closed_by flags"
)
WORKING_ORDER: Final = _names(
    "account order_id symbol side order_type status price1 price2 quantity filled_quantity parent_order_id "
    "oco_order_id updated_at"
)
JOURNAL: Final = _names("id at cause account symbol before after reason fill_id")
ACCOUNT: Final = _names("account mode rule first_seen_at snapshots_trusted last_sync_at sync_outcome")
INSTRUMENT: Final = _names(
    "symbol point_value tick multiplier price_format currency commission point_value_source multiplier_source "
    "commission_source"
)
BREAK: Final = _names(
    "id mode account symbol kind held_quantity held_average reported_quantity reported_average found_at answer "
    "answered_at"
)
LINK: Final = _names("server state last_heard_at heartbeat_interval_s holder_pid since encoding server_name")
VERIFICATION: Final = _names("mode account symbol agreed_quantity agreed_at compared_at comparison")
CURSOR: Final = _names("name what last_id pending_path pending_id updated_at")
# What is remembered of a position's entry and of its orders beside the booking, and copied to its trade.
SNAPSHOT: Final = _names("entry_vwap entry_cum_delta entry_poc initial_risk")
# What is remembered of a trade's exit; nothing else has one.
EXIT: Final = _names("exit_vwap exit_cum_delta exit_poc")
MARK: Final = _names("symbol price time")
CONTACT: Final = _names("account symbol contacted_at")
PREFERENCE: Final = _names("key value")
# What is kept in the row of a position, and of a trade, beside what booking made of its fills.
BESIDE_POSITION: Final = (
    *_names("target_price stop_price"),
    *SNAPSHOT[:3],
    *_names("heat_since initial_risk agreed_quantity agreed_at compared_at comparison"),
)
BESIDE_TRADE: Final = (*SNAPSHOT, *EXIT)


def listed(columns: Sequence[str], alias: str = "") -> str:
    """Return the columns as a SELECT names them, each with the table's alias if one is given."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(f"{prefix}{column}" for column in columns)


def insert(table: str, columns: Sequence[str]) -> str:
    """Return the statement that inserts one row."""
    return f"INSERT INTO {table} ({listed(columns)}) VALUES ({', '.join('?' * len(columns))})"


def upsert(table: str, columns: Sequence[str], *, key: int) -> str:
    """Return the statement that inserts a row or updates the one with the same first `key` columns.

    Columns of the table that are not named keep what they hold.
    """
    updates = ", ".join(f"{column} = excluded.{column}" for column in columns[key:])
    return f"{insert(table, columns)} ON CONFLICT ({listed(columns[:key])}) DO UPDATE SET {updates}"


def update(table: str, columns: Sequence[str]) -> str:
    """Return the statement that updates a row by its first column, which is bound last."""
    updates = ", ".join(f"{column} = ?" for column in columns[1:])
    return f"UPDATE {table} SET {updates} WHERE {columns[0]} = ?"


def marks(count: int) -> str:
    """Return so many bound parameters, as `IN (...)` takes them."""
    return ", ".join("?" * count)
