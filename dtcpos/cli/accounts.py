"""`dtcpos accounts`: the accounts seen, the mode each was put in and by which rule; `set` to correct one."""

from __future__ import annotations

import difflib
import sys
from typing import Annotated

import typer

from dtcpos.cli.jsonout import write_array
from dtcpos.cli.options import AsJson, Db, ledger_path, mode_word, utc_now
from dtcpos.cli.render import Column, Table, moment, print_table
from dtcpos.cli.shape import examples, new_app
from dtcpos.cli.writing import opened
from dtcpos.errors import UsageError
from dtcpos.model import RULE_BY_HAND, JournalEntry
from dtcpos.store import LedgerReader

app = new_app()

COLUMNS = (
    Column("MODE"),
    Column("ACCOUNT"),
    Column("RULE"),
    Column("LAST SYNC"),
    Column("OUTCOME"),
    Column("FIRST SEEN", rank=1),
)


@app.callback(invoke_without_command=True, epilog=examples("dtcpos accounts", "dtcpos accounts set 120005 SIM"))
def accounts(context: typer.Context, as_json: AsJson = False, db: Db = None) -> None:
    """List the accounts, their mode and the rule that decided it."""
    if context.invoked_subcommand is not None:
        # A ledger named before `set` is the one that is meant; one from the environment `set` finds by itself.
        source = context.get_parameter_source("db")
        context.obj = db if source is not None and source.name == "COMMANDLINE" else None
        return
    with LedgerReader.open(ledger_path(db)) as reader:
        known = sorted(reader.accounts(), key=lambda account: (account.mode, account.account))
    if as_json:
        write_array(
            (
                {
                    "account": account.account,
                    "mode": account.mode,
                    "rule": account.rule,
                    "first_seen_at": account.first_seen_at,
                    "snapshots_trusted": account.snapshots_trusted,
                    "last_sync_at": account.last_sync_at,
                    "sync_outcome": account.sync_outcome or None,
                }
                for account in known
            ),
            sys.stdout,
        )
    elif not known:
        print("no accounts yet; `dtcpos connect` finds them")
    else:
        modes = sorted({account.mode for account in known})
        rows = {
            mode: [
                [
                    mode,
                    account.account,
                    account.rule,
                    moment(account.last_sync_at),
                    account.sync_outcome or "never",
                    moment(account.first_seen_at),
                ]
                for account in known
                if account.mode == mode
            ]
            for mode in modes
        }
        print_table(Table(columns=COLUMNS, groups=list(rows.values())))


@app.command("set", epilog=examples("dtcpos accounts set 120005 SIM"))
def set_mode(
    context: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's name, as listed.")],
    mode: Annotated[str, typer.Argument(metavar="MODE", help="SIM, LIVE or a word of your own.")],
    db: Db = None,
) -> None:
    """Put an account in another mode: its fills, positions and trades go with it, and the journal says so."""
    word = mode_word(mode)
    path = ledger_path(context.obj or db)
    with opened(path) as repository, repository.transaction():
        known = repository.account(account)
        if known is None:
            raise UsageError(_unknown(account, [other.account for other in repository.accounts()]))
        if known.mode == word:
            print(f"{account} is in {word} already")
            return
        repository.relabel_account(account, word, RULE_BY_HAND)
        entry = JournalEntry(
            at=utc_now(),
            cause="relabelled",
            account=account,
            before=known.mode,
            after=word,
            reason=f"{RULE_BY_HAND}; before: {known.rule}",
        )
        repository.add_journal([entry])
    print(f"{account} is now in {word} (was {known.mode})")


def _unknown(account: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(account, known, n=1)
    if nearest:
        return f"no account {account!r}; did you mean {nearest[0]}?"
    return f"no account {account!r}; known are {', '.join(sorted(known)) or 'none yet'}"
