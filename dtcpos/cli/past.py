"""The open positions of an earlier moment: what `positions --as-of` does."""

from __future__ import annotations

import sys
from pathlib import Path

from dtcpos.cli.held import Standing
from dtcpos.cli.jsonout import iso, write_array
from dtcpos.cli.places import ledger_path, load_settings, parse_bound, select, utc_now
from dtcpos.model import Status, Verification
from dtcpos.proving import held_at
from dtcpos.store import AuditReader, Holding


def list_past_positions(
    as_of: str,
    *,
    mode: str | None = None,
    account: str | None = None,
    symbol: str | None = None,
    as_json: bool = False,
    db: Path | None = None,
    config: Path | None = None,
) -> None:
    """Print what was held at a moment, from the ledger alone; a day means its end.

    No mark and no verdict of the server is known of the past, so every position is UNVERIFIED.
    """
    settings, now = load_settings(config), utc_now()
    moment = parse_bound(as_of, start=False, now=now, trading_day=settings.trading_day)
    assert moment is not None
    with AuditReader.open(ledger_path(db)) as reader:
        selection = select(reader, mode=mode, account=account, symbol=symbol, trading_day=settings.trading_day, now=now)
        instruments = reader.instruments()
        found = [
            Standing(
                Holding(
                    position=position,
                    verification=Verification(key=position.key),
                    instrument=instruments.get(position.key.symbol),
                ),
                Status.UNVERIFIED,
                f"as of {iso(moment)}",
                moment,
            )
            for position in held_at(reader, moment)
            if (selection.modes is None or position.key.mode in selection.modes)
            and selection.account in (None, position.key.account)
            and selection.symbol in (None, position.key.symbol)
        ]
    if as_json:
        write_array((item.as_json() for item in found), sys.stdout)
        return
    from dtcpos.cli.render import print_table
    from dtcpos.cli.standings import table_of

    print(f"as of {iso(moment)}{'' if found else ': no open positions'}")
    if found:
        print_table(table_of(found))
