"""What inputs are made of: frames, words and cells, and the ledgers they are fed into."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlite_utils import Database

from dtcpos.booking import average_price
from dtcpos.cli.jsonout import plain
from dtcpos.proving import prove
from dtcpos.store import AuditReader, PositionRepository
from dtcpos.store.connection import configure_writer
from tests.dtc.golden import JSON_VECTORS
from tests.fuzz.engine import TEXT_NUMBERS


def binary_frames(octets: bytes) -> list[bytes]:
    """Cut bytes into frames by the sizes they state; what states none is one unit with all the rest."""
    units, at = [], 0
    while at < len(octets):
        size = int.from_bytes(octets[at : at + 2], "little")
        end = at + size if size >= 4 else len(octets)
        units.append(octets[at:end])
        at = end
    return units


def text_frames(octets: bytes) -> list[bytes]:
    """Cut bytes after every NUL; a handshake in binary is cut into its NULs, which is as good."""
    return [part + b"\0" for part in octets.split(b"\0")]


def tokens_of(octets: bytes) -> list[bytes]:
    """Cut a text into words, blanks and signs."""
    return re.findall(rb"[ \t]+|[\w.+:'/-]+|.", octets, re.DOTALL)


def cells_of(octets: bytes) -> list[bytes]:
    """Cut a text into its cells and line ends."""
    return re.findall(rb"[^\t\r\n]*[\t\r\n]?", octets)


@cache
def json_words() -> tuple[bytes, ...]:
    names = {name for row in JSON_VECTORS for name in json.loads(row["json"])}
    return (
        *(f'"{name}":'.encode() for name in sorted(names)),
        *TEXT_NUMBERS,
        *(
            b'""',
            b'"\\u0000"',
            b'"\\ud800"',
            b"[]",
            b"{}",
            b"[" * 2_000,
            b'{"F":' * 500,
            b'"Type":301,',
            b'"F":[',
            b",",
        ),
        *(b'"' + b"x" * 400 + b'"', b"\xff\xfe", b"\0", b'"1e5"', b'"Symbol":"MES"', b'"TradeAccount":"Sim1"'),
    )


@cache
def empty_ledger() -> bytes:
    return PositionRepository.in_memory().database.conn.serialize()


@contextmanager
def ledger() -> Iterator[PositionRepository]:
    """Give a new ledger in memory, made of a copy of the pages of an empty one."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(empty_ledger())
    configure_writer(connection)
    try:
        yield PositionRepository(Database(connection), ":memory:")
    finally:
        connection.close()


def assert_sound(repository: PositionRepository) -> None:
    """`verify` finds nothing, and everything that is held can be written."""
    reader = AuditReader(repository.database.conn, ":memory:")
    # A server may fill an order beyond its quantity, or state what does not add up; that is no fault of the ledger.
    differences = [difference.text for difference in prove(reader) if difference.kind not in ("order", "gap")]
    assert not differences, differences[:3]
    for position in repository.positions().values():
        words = [position.signed_quantity, average_price(position), position.cost, position.mae, position.mfe]
        assert all(len(plain(word)) < 400 for word in words if word is not None)
