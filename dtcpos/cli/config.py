"""`dtcpos config`: where things are, and every setting with its meaning."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dtcpos.cli.jsonout import dumps
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings, settings_path
from dtcpos.cli.shape import examples, new_app

app = new_app()

EXPLANATION = """\
# Settings of dtcpos. Every key may be left out; what is shown is what holds then.

[accounts]
# A name, or a pattern with * and ?, and the mode of the accounts it fits. The first line that fits wins. Without one,
# names that contain sim, demo or paper are SIM and the rest are LIVE.
# "120005" = "LIVE"
# "EVAL-*" = "SIM"

# A symbol, or a root such as MES for all its months. What is stated here wins over what the server defines.
# [instruments.MES]
# point_value = 5          # money for one point and one contract
# tick = 0.25              # the smallest price step
# multiplier = 1           # from the server's price to the price people write
# commission = 0.62        # money for one contract and one side
# currency = "USD"

[trading_day]
timezone = "America/Chicago"
start = "17:00"            # a day that starts after noon is named for the date it ends on

[guards]
one_position_per_account = true   # an alert when a second symbol opens in an account; nothing is dropped

[server]
host = "127.0.0.1"
port = 11099
encoding = "auto"          # auto, binary, vls, json or compact
tls = false
tls_ca = ""                # a file of certificates to trust instead of the system's
username = ""              # the password comes from DTCPOS_PASSWORD or a prompt, never from a file
heartbeat_s = 10
history_days = 30          # how far back fills are asked for the first time
fresh_for_s = 60           # how long an agreement stays good after the link was closed cleanly
symbols = []               # followed even while not held, so that VWAP, delta and point of control are known at entry

[notify]
on_event = ""              # a command that is given the updates as JSON lines on its standard input
events = []                # only these: session, fill, trade, break, verified, alert, synced; empty is all
mode = ""                  # only updates of this mode, and those that are of none
bell = false               # ring the terminal for fills, trades, breaks and alerts
"""


@app.command(epilog=examples("dtcpos config", "dtcpos config --explain > settings.toml"))
def config(
    explain: Annotated[
        bool, typer.Option("--explain", help="Print every setting, its default and its meaning.")
    ] = False,
    as_json: AsJson = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Show where the ledger and the settings are, and check the settings.

    What --explain prints is a valid settings file that changes nothing.
    """
    if explain:
        sys.stdout.write(EXPLANATION)
        return
    load_settings(config)
    places = {"ledger": ledger_path(db), "settings": settings_path(config)}
    if as_json:
        known = {name: {"path": str(path), "exists": path.exists()} for name, path in places.items()}
        print(dumps(known))
        return
    for name, path in places.items():
        print(f"{name:<9} {path}{'' if path.exists() else '  (not there yet)'}")
