"""`dtcpos doctor`: what is wrong with this set-up, and which menu of Sierra Chart changes it."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, TypeVar

import typer
from attrs import evolve

from dtcpos.cli.options import AsJson, Config, Db, ledger_path, utc_now
from dtcpos.cli.premises import look_around
from dtcpos.cli.server_options import NoMarketData, Server, Tls, TlsCa, Username, WantedEncoding
from dtcpos.cli.session import Wishes, manners, password_for, wished_address, wished_username
from dtcpos.cli.shape import countable, examples, new_app
from dtcpos.diagnosis import Finding, Plan, Result, examine, findings_of
from dtcpos.diagnosis.words import CHECKS, fault, skipped
from dtcpos.dtc import Encoding
from dtcpos.errors import AttentionNeeded, CannotConnect, LedgerError, SettingsError
from dtcpos.settings import Settings

app = new_app()

# These two are the ledger's own; a fault of theirs is exit code 5.
_OF_LEDGER = ("ledger", "disk")
_WORD_WIDTH, _CHECK_WIDTH = 9, 13
_WIDTH_MAX = 110
_Key = TypeVar("_Key")

Patience = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0.1, callback=countable, help="How long to wait for each answer."),
]


@app.command(
    epilog=examples(
        "dtcpos doctor                          Sierra Chart on this machine",
        "dtcpos doctor trading-pc:11099 --tls   another machine, encrypted",
        "dtcpos doctor --json | jq '.[] | select(.result == \"fault\")'",
    )
)
def doctor(
    server: Server = None,
    as_json: AsJson = False,
    encoding: WantedEncoding = None,
    tls: Tls = False,
    tls_ca: TlsCa = None,
    username: Username = None,
    timeout: Patience = 5.0,
    no_market_data: NoMarketData = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Say what is wrong with this set-up, and which menu of Sierra Chart changes it.

    Looks at the settings, the ledger and its disk, then at the server: is anything there, does it speak DTC, TLS and
    this encoding, does it let us in, does it tell accounts, fills, positions and prices as they are, does its clock
    agree with ours. Asks what `connect` asks and nothing else; writes nothing, takes no lock, and may be run while
    `connect` runs.

    --json gives an array of checks: check, result (ok, warning, fault, skipped), found, remedy, menu. Exit codes: 0
    nothing to mend (warnings are no fault), 5 a fault of the ledger or its disk, else 3 nothing answers at the
    server's address, else 6 any other fault.
    """
    path = ledger_path(db)
    premises = look_around(path, config, makes_folder=db is None, now=utc_now())
    wishes = Wishes(
        server=server,
        encoding=encoding,
        tls=tls,
        tls_ca=tls_ca,
        username=username,
        timeout_s=timeout,
        market_data=not no_market_data,
    )
    findings = [*premises.findings, *_server(wishes, premises.settings, premises.prices)]
    if as_json:
        from dtcpos.cli.jsonout import write_array

        write_array(map(_json, findings), sys.stdout)
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(findings, _width()))
    _end(findings)


def _server(wishes: Wishes, settings: Settings, prices: tuple[tuple[str, Decimal], ...]) -> list[Finding]:
    try:
        address = wished_address(wishes, settings)
    except SettingsError as error:
        found = fault("tls", str(error), "correct `tls_ca` in the settings")
        return [found if check == found.check else skipped(check, "not reached") for check in CHECKS]
    word = wishes.encoding or settings.server.encoding
    username = wished_username(wishes, settings)
    plan = Plan(
        address=address,
        # Where the encoding asked for fails, the others tell which would do.
        encodings=tuple(dict.fromkeys([*manners(word), *manners("auto")])),
        asked=None if word == "auto" else Encoding.of_word(word),
        username=username,
        password=password_for(username),
        market_data=wishes.market_data,
        symbols=tuple(dict.fromkeys([*settings.server.symbols, *(symbol for symbol, _ in reversed(prices))])),
        timeout_s=wishes.timeout_s,
    )
    return findings_of(evolve(examine(plan, time.time), known_prices=prices))


def _json(finding: Finding) -> dict[str, str]:
    return {
        "check": finding.check,
        "result": str(finding.result),
        "found": finding.found,
        "remedy": finding.remedy,
        "menu": finding.menu,
    }


def _width() -> int:
    return min(shutil.get_terminal_size((_WIDTH_MAX, 24)).columns, _WIDTH_MAX)


def _lines(findings: Sequence[Finding], width: int) -> Iterator[str]:
    """Yield a line a check, one for all that was not looked at, then what to do, each thing once."""
    for finding in findings:
        if finding.result is not Result.SKIPPED:
            word = finding.result.upper() if finding.result is Result.FAULT else str(finding.result)
            yield from _wrapped(f"{word:<{_WORD_WIDTH}}{finding.check:<{_CHECK_WIDTH}}", finding.found, width)
    for why, checks in _grouped((finding.found, finding) for finding in findings if finding.result is Result.SKIPPED):
        yield from _wrapped(f"{Result.SKIPPED:<{_WORD_WIDTH}}", f"{checks}: {why}", width)
    mended = {(finding.remedy, finding.menu) for finding in findings if finding.result is Result.FAULT}
    actions = _grouped(((each.remedy, each.menu), each) for each in findings if each.remedy)
    for heading, is_due in (("To mend:", True), ("To know:", False)):
        wanted = [action for action in actions if (action[0] in mended) is is_due]
        if wanted:
            yield ""
            yield heading
        for (remedy, menu), checks in wanted:
            yield from _wrapped("  ", f"{checks}: {remedy}", width)
            if menu:
                yield from _wrapped("    in Sierra Chart: ", menu, width)
    if not any(finding.result is Result.FAULT for finding in findings):
        yield "nothing to mend"


def _grouped(pairs: Iterable[tuple[_Key, Finding]]) -> list[tuple[_Key, str]]:
    """Return each key once with the names of its checks, in the order they came."""
    checks: dict[_Key, list[str]] = {}
    for key, finding in pairs:
        checks.setdefault(key, []).append(finding.check)
    return [(key, ", ".join(names)) for key, names in checks.items()]


def _wrapped(first: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _end(findings: Iterable[Finding]) -> None:
    faults = [finding for finding in findings if finding.result is Result.FAULT]
    if not faults:
        return
    checks = ", ".join(finding.check for finding in faults)
    words = f"{len(faults)} thing{'' if len(faults) == 1 else 's'} to mend: {checks}"
    if any(finding.check in _OF_LEDGER for finding in faults):
        raise LedgerError(words)
    if any(finding.check == "address" for finding in faults):
        raise CannotConnect(words)
    raise AttentionNeeded(words)
