"""A ledger with something of everything, and a way to run a command line."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from attrs import frozen
from typer.testing import CliRunner

import dtcpos.cli.places
from dtcpos.booking import replay
from dtcpos.cli.app import app
from dtcpos.model import (
    Account,
    Break,
    Fill,
    Instrument,
    JournalEntry,
    Link,
    Mark,
    PositionKey,
    Side,
    Source,
    Verification,
)
from dtcpos.store import PositionRepository

NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
MES, MNQ, ZN = "MESZ26-CME", "MNQZ26-CME", "ZNZ26-CBOT"
SIM_MES = PositionKey("SIM", "Sim1", MES)
LIVE_MES = PositionKey("LIVE", "120005", MES)
LIVE_MNQ = PositionKey("LIVE", "120005", MNQ)


@frozen
class Ran:
    """What a command line printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as JSON, numbers exact."""
        return json.loads(self.out, parse_float=Decimal, parse_int=Decimal)


class Shell:
    """Runs command lines against one ledger, at a fixed time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, *words: str, code: int = 0, stdin: bytes | None = None) -> Ran:
        result = CliRunner().invoke(app, list(words), env={"DTCPOS_DB": str(self.path)}, input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        ran = Ran(result.exit_code, result.stdout, result.stderr)
        assert ran.code == code, ran
        return ran

    @property
    def writer(self) -> PositionRepository:
        """The ledger, open for writing."""
        return PositionRepository.open(self.path, create=False)


def fill(key: PositionKey, text: str, *, minute: int, **fields: Any) -> Fill:
    """Read `+2 @ 5050.25` as a fill of a key, so many minutes after 14:00."""
    quantity, _, price = text.partition(" @ ")
    number = minute + (0 if key.mode == "SIM" else 100 if key.symbol == MES else 200)
    return Fill(
        account=key.account,
        symbol=key.symbol,
        side=Side.BUY if quantity.startswith("+") else Side.SELL,
        quantity=Decimal(quantity[1:]),
        price=Decimal(price) if price else None,
        time=datetime(2026, 11, 20, 14, minute, 1, 250_000, tzinfo=UTC),
        time_is_exact=True,
        execution_id=f"E-{number}",
        order_id=str(1000 + number),
        booked_at=datetime(2026, 11, 20, 14, minute, 2, tzinfo=UTC),
        **fields,
    )


def record(repository: PositionRepository, key: PositionKey, fills: list[Fill]) -> None:
    """Book the fills of a key and write what comes of them, in a transaction that is open."""
    first_id = repository.next_fill_id()
    numbered = [_with_id(item, first_id + place) for place, item in enumerate(fills)]
    repository.add_fills(numbered)
    result = replay(key, numbered)
    repository.add_trades(result.trades)
    if not result.position.is_flat:
        repository.put_position(result.position)
    repository.add_journal(
        [
            JournalEntry(at=NOW, cause="fill", account=key.account, symbol=key.symbol, after="booked", fill_id=item.id)
            for item in numbered
        ]
    )


def _with_id(item: Fill, fill_id: int) -> Fill:

    return item._replace(id=fill_id)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """SIM: long 2 MES after a trade. LIVE: short 1 MES verified, long 1 MNQ with a break. Written at 16:00."""
    # A module first imported while the clock is another would keep that clock for all tests after it.
    for command in iter_modules(dtcpos.cli.__path__):
        import_module(f"dtcpos.cli.{command.name}")
    monkeypatch.setattr(dtcpos.cli.places, "utc_now", lambda: NOW)
    for module in ("listing", "tail", "export", "switch", "accounts", "status"):
        monkeypatch.setattr(f"dtcpos.cli.{module}.utc_now", lambda: NOW)
    monkeypatch.setenv("DTCPOS_CONFIG", str(tmp_path / "settings.toml"))
    (tmp_path / "settings.toml").write_text("", encoding="utf-8")
    path = tmp_path / "ledger.db"
    with PositionRepository.open(path) as repository, repository.transaction():
        _fill_ledger(repository)
    return Shell(path)


def _fill_ledger(repository: PositionRepository) -> None:
    for account, mode in (("Sim1", "SIM"), ("120005", "LIVE")):
        repository.put_account(
            Account(
                account=account, mode=mode, rule="name", first_seen_at=NOW, last_sync_at=NOW, sync_outcome="complete"
            )
        )
    repository.put_instrument(
        Instrument(
            symbol=MES, point_value=Decimal(5), tick=Decimal("0.25"), currency="USD", point_value_source="server"
        )
    )
    record(
        repository,
        SIM_MES,
        [
            fill(SIM_MES, "+1 @ 5050.25", minute=1, commission=Decimal("0.62")),
            fill(SIM_MES, "-1 @ 5052.5", minute=2, commission=Decimal("0.62")),
            fill(SIM_MES, "+2 @ 5051", minute=3, source=Source.BACKFILL),
        ],
    )
    record(repository, LIVE_MES, [fill(LIVE_MES, "-1 @ 5060", minute=4)])
    record(repository, LIVE_MNQ, [fill(LIVE_MNQ, "+1 @ 18200.25", minute=5)])
    repository.put_marks([Mark(symbol=MES, price=Decimal("5055.5"), time=NOW - timedelta(seconds=3))])
    repository.set_brackets(SIM_MES, Decimal(5070), Decimal(5040))
    repository.put_verification(
        Verification(key=LIVE_MES, agreed_quantity=Decimal(-1), agreed_at=NOW, compared_at=NOW, outcome="agreed")
    )
    repository.add_break(
        Break(
            key=LIVE_MNQ,
            kind="quantity",
            held_quantity=Decimal(1),
            held_average=Decimal("18200.25"),
            reported_quantity=Decimal(2),
            reported_average=Decimal("18201"),
            found_at=NOW,
        )
    )
    repository.put_link(
        Link(
            server="127.0.0.1:11099",
            state="ready",
            last_heard_at=NOW,
            heartbeat_interval_s=10,
            holder_pid=os.getpid(),
            since=NOW,
        )
    )
