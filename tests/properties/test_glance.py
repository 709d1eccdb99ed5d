"""`positions --json` without the nouns says what it says with them, over random ledgers."""

from __future__ import annotations

import io
import shutil
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtcpos.booking import FRESH_FOR_S
from dtcpos.cli.listing import list_positions
from dtcpos.cli.quick import array_of
from dtcpos.model import Account, Break, Instrument, Link, Mark, Position, PositionKey, Verification
from dtcpos.settings import Settings
from dtcpos.store import PositionRepository

NOW = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
KEYS = tuple(
    PositionKey(mode, account, symbol)
    for mode, account in (("SIM", "Sim1"), ("LIVE", "120005"), ("PAPER", "it's \N{EURO SIGN} 7"))
    for symbol in ("MESZ26-CME", "ZNZ26-CBOT")
)

amounts = st.decimals(min_value=-10_000, max_value=10_000, places=8) | st.sampled_from(
    [Decimal("1E+3"), Decimal("-0"), Decimal("0.00000001"), Decimal("5050.25")]
)
sizes = amounts.map(abs)
maybe = st.none() | amounts
moments = st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(minutes=1)).map(lambda ago: NOW + ago)
outcomes = st.sampled_from(["", "agreed", "complete", "differs", "rejected: not allowed"])


@st.composite
def positions(draw: st.DrawFn, key: PositionKey) -> Position:
    quantity = draw(amounts.filter(bool))
    return Position(
        key=key,
        signed_quantity=quantity,
        cost=draw(maybe),
        realized=draw(maybe),
        opened_quantity=draw(sizes),
        peak_quantity=abs(quantity),
        commission=draw(maybe),
        fills=draw(st.integers(1, 9)),
        opened_by=1,
        entry_time=draw(moments),
        updated_at=draw(moments),
        price_min=draw(maybe),
        price_max=draw(maybe),
        mae=-draw(sizes),
        mfe=draw(sizes),
        flags=tuple(sorted(draw(st.sets(st.sampled_from(["carried", "commission_unknown", "overfill"]))))),
    )


@st.composite
def verifications(draw: st.DrawFn, position: Position) -> Verification:
    return Verification(
        key=position.key,
        agreed_quantity=draw(st.just(position.signed_quantity) | maybe),
        agreed_at=draw(st.none() | moments),
        compared_at=draw(st.none() | moments),
        outcome=draw(outcomes),
    )


@st.composite
def breaks(draw: st.DrawFn, key: PositionKey) -> Break:
    return Break(
        key=key,
        kind=draw(st.sampled_from(["quantity", "side", "missing_there", "average_price"])),
        held_quantity=draw(amounts),
        held_average=draw(amounts),
        reported_quantity=draw(maybe),
        reported_average=draw(amounts),
        found_at=draw(moments),
        answer=draw(st.sampled_from(["", "", "keep"])),
    )


@st.composite
def links(draw: st.DrawFn) -> Link:
    return Link(
        server=draw(st.sampled_from(["a:1", "b:2"])),
        state=draw(st.sampled_from(["ready", "closed", "lost", "syncing"])),
        last_heard_at=draw(st.none() | moments),
        heartbeat_interval_s=draw(st.sampled_from([1.0, 10.0, 3600.0])),
        holder_pid=draw(st.sampled_from([1, 2**30])),
        since=draw(moments),
    )


def fill_ledger(data: st.DataObject, repository: PositionRepository) -> None:
    for key in KEYS:
        if data.draw(st.booleans()):
            account = Account(account=key.account, mode=key.mode, rule="name", first_seen_at=NOW)
            repository.put_account(evolve(account, sync_outcome=data.draw(outcomes)))
        if data.draw(st.booleans()):
            position = data.draw(positions(key))
            repository.put_position(position)
            repository.set_brackets(key, data.draw(maybe), data.draw(maybe))
            repository.put_verification(data.draw(verifications(position)))
            vwap, cum_delta, poc = (data.draw(maybe) for _ in range(3))
            repository.set_entry_snapshot(key, vwap=vwap, cum_delta=cum_delta, poc=poc)
        if data.draw(st.integers(0, 3)) == 0:
            repository.add_break(data.draw(breaks(key)))
        if data.draw(st.booleans()):
            repository.put_marks([Mark(symbol=key.symbol, price=data.draw(amounts), time=data.draw(moments))])
        if data.draw(st.booleans()):
            value, currency = data.draw(st.none() | sizes), data.draw(st.sampled_from(["", "USD"]))
            repository.put_instrument(Instrument(symbol=key.symbol, point_value=value, currency=currency))
    for link in data.draw(st.lists(links(), max_size=2)):
        repository.put_link(link)
    repository.set_preference("view", data.draw(st.sampled_from(["", "SIM", "LIVE"])))
    repository.set_preference("view_account", data.draw(st.sampled_from(["", "Sim1"])))


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glance") / "blank.db"
    PositionRepository.open(path).close()
    return path


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_glance_and_the_nouns_tell_the_same(blank: Path, data: st.DataObject) -> None:
    """F4: byte for byte, for any ledger and any plain selection."""
    compare(blank, data)


@pytest.mark.long
@pytest.mark.timeout(900)
@given(data=st.data())
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_glance_and_the_nouns_tell_the_same_of_many_ledgers(blank: Path, data: st.DataObject) -> None:
    """F4: the same two thousand times."""
    compare(blank, data)


def compare(blank: Path, data: st.DataObject) -> None:
    path = blank.with_name("ledger.db")
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(blank, path)
    with PositionRepository.open(path) as repository, repository.transaction():
        fill_ledger(data, repository)
    mode = data.draw(st.sampled_from([None, "ALL", "sim", "LIVE"]))
    account = data.draw(st.sampled_from([None, "Sim1", KEYS[-1].account]))
    symbol = data.draw(st.sampled_from([None, "ZNZ26-CBOT"]))
    config = blank.with_name("settings.toml")
    config.write_text(data.draw(st.sampled_from(["", "[server]\nfresh_for_s = 86400\n"])), encoding="utf-8")
    quick = array_of(now=NOW, mode=mode, account=account, symbol=symbol, db=path, config=config)
    with patch("dtcpos.cli.listing.utc_now", lambda: NOW), redirect_stdout(io.StringIO()) as told:
        list_positions(mode=mode, account=account, symbol=symbol, as_json=True, db=path, config=config)
    assert quick == told.getvalue()


def test_without_settings_an_agreement_is_fresh_as_long() -> None:
    """The glance reads no settings where there are none, and knows their default all the same."""
    assert Settings().server.fresh_for_s == FRESH_FOR_S
