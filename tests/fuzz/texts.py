"""Doors for text: files of other programs, settings, dialogues, and what people type."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from sqlite_utils import Database

from dtcpos.cli.columns import columns_of
from dtcpos.cli.corrections import decimal, positive
from dtcpos.cli.jsonout import dumps, plain
from dtcpos.cli.keys import FILL_KEYS
from dtcpos.cli.places import mode_word
from dtcpos.cli.prices import price_text
from dtcpos.cli.times import parse_since, parse_until
from dtcpos.client import Address, address_of
from dtcpos.dtc import Encoding
from dtcpos.errors import DtcposError
from dtcpos.exporters.cursor import Cursor
from dtcpos.importers import Import, Scales, import_files
from dtcpos.importers.feed import snapshot_of_line
from dtcpos.importers.scaling import parse_scales
from dtcpos.model import Instrument
from dtcpos.settings import TradingDay, read_settings
from dtcpos.sim import Performance, VenueSession, parse_dialogue
from dtcpos.sim.steps import Away, Burst
from dtcpos.store import PositionRepository
from dtcpos.store.connection import configure_writer
from tests.fuzz.engine import TEXT_NUMBERS, Target
from tests.fuzz.sessions import HISTORY, sent_by
from tests.fuzz.units import assert_sound, cells_of, empty_ledger, tokens_of
from tests.importers.writing import PANEL, told, written
from tests.pair import NOON, TERMS

FIXTURES = Path(__file__).parents[2] / "fixtures"
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
TRADING_DAY = TradingDay()
# Files


def _file(name: str, read: Callable[[Path], None]) -> Callable[[bytes], None]:
    folder = tempfile.TemporaryDirectory(prefix="dtcpos-fuzz-")

    def run(octets: bytes, _kept: object = folder) -> None:
        path = Path(folder.name) / name
        path.write_bytes(octets)
        read(path)

    return run


def _importing(path: Path) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(empty_ledger())
    configure_writer(connection)
    repository = PositionRepository(Database(connection), ":memory:")
    try:
        for report in import_files(Import(paths=[path], scales=Scales(Decimal("0.5"))), lambda: repository, now=NOW):
            str(report)
    finally:
        # Whoever opened it closes it; a file that is refused before that is not opened at all.
        if _is_open(connection):
            assert_sound(repository)
            connection.close()


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018 - asking is the test
    except sqlite3.ProgrammingError:
        return False
    return True


LOG_WORDS = (
    *TEXT_NUMBERS,
    *(
        b"\t",
        b"\n",
        b"\r\n",
        b"Fills",
        b"Orders",
        b"Buy",
        b"Sell",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\0",
        b"\x85",
        b"\x1c",
    ),
    *(b"2026-11-20  14:30:00.250000", b"0000-00-00  00:00:00", b"9999-12-31 23:59:59.999999", b"2026-02-30  00:00:00"),
    *(b"Sim1", b"MESZ26-CME", b"x" * 300, "\u2028".encode(), b"\xd9\xa1"),
)
STATE_WORDS = (
    *TEXT_NUMBERS,
    *(f'"{name}":'.encode() for name in PANEL),
    *(
        b"{",
        b"}",
        b"[",
        b"null",
        b'""',
        b"[" * 3_000,
        b"Infinity",
        b'"\\ud800"',
        b'"2.0"',
        b"\xef\xbb\xbf",
        b"\0",
        b"true",
    ),
)


def import_targets() -> list[Target]:
    rows = [
        told("+1 @ 5050.25", 1),
        told("+2 @ 5051", 2, FilledQuantity="2"),
        told("-3 @ 5052.5", 3, PositionQuantity="0"),
    ]
    logs = [(FIXTURES / "imports" / name).read_bytes() for name in ("activity.txt", "activity_chicago.txt")]
    states = [
        json.dumps(PANEL).encode(),
        b'{"entry_time_epoch": 1795867200, "heat_start_epoch": null, "account": "Sim1"}',
    ]
    return [
        Target(
            name="import-log",
            run=_file("TradeActivityLog.txt", _importing),
            seeds=[written(rows), *logs],
            units=cells_of,
            words=LOG_WORDS,
        ),
        Target(
            name="import-state",
            run=_file("runtime_state_panel2_SIM_Sim1.json", _importing),
            seeds=states,
            units=tokens_of,
            words=STATE_WORDS,
        ),
    ]


SETTINGS = b"""
[accounts]
"120005" = "SIM"
"prop-*" = "LIVE"

[instruments.MES]
point_value = 5
tick = 0.25
commission = 0.62
multiplier = 1
currency = "USD"

[trading_day]
timezone = "America/Chicago"
start = "17:00"

[guards]
one_position_per_account = true

[server]
host = "127.0.0.1"
port = 11099
encoding = "auto"
heartbeat_s = 10
symbols = ["MESZ26-CME"]

[notify]
on_event = "true"
events = ["fill"]
bell = false
"""
SETTINGS_WORDS = (
    *TEXT_NUMBERS,
    *(
        b"17:00",
        b"25:00",
        b"17:00:00",
        b'"17:00+05:00"',
        b'"T17"',
        b"1979-05-27T07:32:00Z",
        b"1979-05-27",
        b"07:32:00.999",
    ),
    *(b"[", b"]", b"[[", b"{a=1}", b"'''", b'"""', b"=", b"\n", b'""', b"[" * 2_000, b"\\u0000", b"\\ud800", b"\xff"),
    *(b'"../../etc"', b'"UTC\\u0000"', b'"ALL"', b"true", b"-1", b"0x7fffffffffffffffffff", b'"x"', b"[accounts]"),
    *(b"[instruments]", b"[instruments.ES]", b"point_value", b"commission", b"start", b"timezone", b"fresh_for_s"),
)


def _tables() -> dict[str, list[str]]:
    parts = [part.partition("]\n") for part in SETTINGS.decode().split("[") if "]\n" in part]
    return {name: [line for line in lines.splitlines() if line] for name, _, lines in parts}


def _reading_settings(path: Path) -> None:
    settings = read_settings(path)
    trading_day = settings.trading_day
    trading_day.starts_at(trading_day.day_of(NOW))
    for terms in settings.instruments.values():
        for number in (terms.point_value, terms.tick, terms.multiplier, terms.commission):
            assert number is None or len(plain(number)) < 400, "a number nobody can print"
    for symbol in settings.server.symbols:
        assert symbol


def settings_target() -> Target:
    tables = [f"[{name}]\n{line}\n".encode() for name, lines in _tables().items() for line in lines]
    return Target(
        name="settings",
        run=_file("settings.toml", _reading_settings),
        seeds=[SETTINGS, *tables],
        units=tokens_of,
        words=SETTINGS_WORDS,
    )


# Texts that people write

STATEMENTS = """\
fill Sim1 BUY 1 MES @ 5050.25 id E-1 history-id F-1 order 1001 of 2 at 2026-11-20T14:30:01 position 3
fill Sim1 SELL 0.001 MES @ -37.63 ago 2h
burst 4 Sim1 MES @ 5000 rate 100
correct Sim1 H-1 quantity 3 @ 5050
order Sim1 78 SELL 1 MES stop-limit 5000 5001 parent 77 oco 79 status open
replace 77 price 5001 quantity 2 as 80
cancel 77
refuse-order 77 no
position Sim1 MES 3 @ 5000
tick MES 5000 x 3
quote MES 5000 5000.25
send ORDER_UPDATE Symbol=MES LastFillPrice=1e308 OrderStatus=7
send HISTORICAL_ORDER_FILL_RESPONSE DateTime=1
away fill Sim1 BUY 1 MES @ 5050.25
wait 20ms
cut 3
cut-batch history after 1 stay
reject history positions no
garbage 0100ff
logoff no-reconnect bye"""
VENUE_STATEMENTS = """\
server NAME
heartbeat 5
ticks 112
start quiet 0.5
account A balance 1000 no-position-after
symbol X tick 0.25 value 12.5 multiplier 0.01 currency EUR format 132 description text
exchange CME
definitions 510
user name password"""


def dialogue_target() -> Target:
    def run(octets: bytes) -> None:
        dialogue = parse_dialogue(octets.decode("utf-8", "replace"), name="fuzz")
        steps = [step.step if isinstance(step, Away) else step for step in (*dialogue.before, *dialogue.script)]
        if any(isinstance(step, Burst) and step.count > 300 for step in steps):
            return
        performance = Performance(dialogue, now=NOON)
        session = VenueSession(performance)
        session.start(NOON)
        session.receive_data(sent_by(Encoding.BINARY), NOON)
        for turn in range(20):
            performance.tick(NOON + turn, steps_max=20)
            session.beat(NOON + turn)
            session.data_to_send()

    texts = [path.read_bytes() for path in sorted((FIXTURES / "dialogues").glob("*.txt"))]
    texts += [
        f"{TERMS}{HISTORY}order Sim1 77 BUY 1 MES limit 5000\n--\n{line}\n".encode() for line in STATEMENTS.splitlines()
    ]
    texts += [f"{line}\n{TERMS}".encode() for line in VENUE_STATEMENTS.splitlines()]
    tokens = {word for text in texts for word in text.split() if len(word) < 30}
    words = (
        *TEXT_NUMBERS,
        *sorted(tokens),
        b'"',
        b"#",
        b"--",
        b"2026-11-20T14:30:01",
        b"9999-12-31T23:59:59",
        b"99999d",
    )
    return Target(
        name="dialogue",
        run=run,
        seeds=texts,
        units=tokens_of,
        words=(*words, b"0001-01-01T00:00:00+14:00", b"-", "\u2028".encode(), b"\xd9\xa1", b"x" * 70, b"all", b"send"),
        size_max=6_000,
    )


VALUE_SEEDS = (
    b"2026-11-22", b"2026-11-22T14:30:00Z", b"14:30", b"2h", b"today", b"yesterday", b"now", b"118'01", b"5050.25",
    b"-1.5", b"1e3", b"127.0.0.1:11099", b"[::1]:11100", b"ESZ26=0.01", b"symbol,Profit=net_pnl", b"journal-1", b"SIM",
    b"1,2,3,4,5,6", b"9999-12-31", b"0001-01-01", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00",
)  # fmt: skip


def values_target() -> Target:
    """Everything a person types where one value is meant; each reader gets every text."""
    readers: tuple[Callable[[str], object], ...] = (
        lambda text: iso_of(parse_since(text, now=NOW, trading_day=TRADING_DAY)),
        lambda text: iso_of(parse_until(text, now=NOW, trading_day=TRADING_DAY)),
        lambda text: printed(decimal(text, "--price")),
        lambda text: printed(positive(text, "QUANTITY")),
        lambda text: str(address_of(text, default=Address())),
        lambda text: parse_scales([text]),
        lambda text: columns_of(text, FILL_KEYS, "fills"),
        mode_word,
        _cursor_of,
        snapshot_of_line,
        lambda text: parse_dialogue(f"account {text}"),
    )

    def run(octets: bytes) -> None:
        text = octets.decode("utf-8", "surrogateescape")
        words: list[str] = []
        for read in readers:
            try:
                read(text)
            except DtcposError as error:
                words.append(str(error))
        assert all(0 < len(each) < 2_000 + 6 * len(text) for each in words), words

    return Target(
        name="values",
        run=run,
        seeds=VALUE_SEEDS,
        units=tokens_of,
        words=(
            *TEXT_NUMBERS,
            b":",
            b"-",
            b"T",
            b"Z",
            b"+14:00",
            b"=",
            b",",
            b".",
            b"'",
            b"h",
            b"w",
            b"[",
            b"]",
            b" ",
            b"\0",
            b"/",
        ),
        size_max=300,
    )


def iso_of(moment: datetime) -> str:
    return dumps(moment)


def printed(number: Decimal) -> None:
    """Write a number in every form prices have; nothing typed by a person becomes a page of digits."""
    for form in (None, -1, 0, 2, 9, 101, 132, 134, 136, 140, 164, 356, 2**31):
        instrument = None if form is None else Instrument(symbol="X", price_format=form)
        assert len(price_text(number, instrument)) < 400


def _cursor_of(text: str) -> None:
    # The name is refused before the ledger is looked for, and no name leads out of the ledger's folder.
    try:
        with Cursor.open(Path("/nonexistent/ledger.db"), text, "fills", now=NOW):
            pass
    except DtcposError as error:
        is_name = "is no name for a cursor" not in str(error)
        assert not is_name or not set(text) & set("/\\\0"), text
