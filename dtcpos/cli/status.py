"""`dtcpos status`: one look for monitors: is the line up, is everything compared, does anything need a person."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dtcpos.cli.health import Health, health_of, nagios_line, prometheus_text, status_json, status_lines
from dtcpos.cli.jsonout import dumps
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings, utc_now
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import DtcposError, UsageError
from dtcpos.exporters.placing import replacing
from dtcpos.store import LedgerReader

app = new_app()

_NAGIOS = {0: ("OK", 0), 6: ("WARNING", 1), 3: ("CRITICAL", 2)}
_NAGIOS_UNKNOWN = 3


@app.command(
    epilog=examples(
        "dtcpos status || mail -s 'look at dtcpos' me",
        "dtcpos status --nagios",
        "dtcpos status --prometheus /var/lib/node_exporter/dtcpos.prom",
    )
)
def status(
    as_json: AsJson = False,
    nagios: Annotated[
        bool, typer.Option("--nagios", help="One line with performance data, and a monitoring plugin's exit codes.")
    ] = False,
    prometheus: Annotated[
        Path | None,
        typer.Option("--prometheus", metavar="FILE", help="Write the figures for a textfile collector, in one step."),
    ] = None,
    db: Db = None,
    config: Config = None,
) -> None:
    """Say whether the line to the server is up and whether anything needs attention.

    Exit codes: 0 fine, 3 no line to a server is up, 6 attention needed (an unanswered break, or a comparison that
    should have happened and did not); 3 goes before 6. A line is up while bytes come: silent for two heartbeat
    intervals it is down, and one that was closed in order (`connect --once`) after `fresh_for_s` of the settings. With
    --nagios they are 0 OK, 1 WARNING for attention, 2 CRITICAL for the line, 3 UNKNOWN where the ledger cannot be read.
    """
    if as_json + nagios + (prometheus is not None) > 1:
        raise UsageError("--json, --nagios and --prometheus exclude each other; choose one")
    try:
        health = _health(db, config)
    except DtcposError as error:
        if not nagios:
            raise
        print(f"DTCPOS UNKNOWN - {error}".replace("|", "/"))
        raise typer.Exit(_NAGIOS_UNKNOWN) from error
    if prometheus is not None:
        with replacing(prometheus) as out:
            out.write(prometheus_text(health))
        raise typer.Exit(health.exit_code)
    if nagios:
        word, code = _NAGIOS[health.exit_code]
        print(nagios_line(health, word))
        raise typer.Exit(code)
    if as_json:
        print(dumps(status_json(health)))
    else:
        sys.stdout.writelines(f"{line}\n" for line in status_lines(health))
    raise typer.Exit(health.exit_code)


def _health(db: Path | None, config: Path | None) -> Health:
    settings = load_settings(config)
    with LedgerReader.open(ledger_path(db)) as reader, reader.held_still():
        return health_of(reader, settings, utc_now())
