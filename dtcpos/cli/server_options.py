"""Options of the commands that talk to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dtcpos.cli.shape import countable

EncodingWord = Literal["auto", "binary", "vls", "json", "compact"]
Server = Annotated[
    str | None,
    typer.Argument(metavar="[HOST[:PORT]]", help="The DTC server. Without it: the settings', else 127.0.0.1:11099."),
]
WantedEncoding = Annotated[
    EncodingWord | None,
    typer.Option("--encoding", help="Ask for this encoding; auto asks for binary, then tries the others."),
]
Tls = Annotated[bool, typer.Option("--tls", help="Speak TLS and check the server's certificate.")]
TlsCa = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="PATH", help="Trust this certificate (PEM); implies --tls.")
]
Username = Annotated[
    str | None,
    typer.Option("--username", metavar="NAME", help="Log on by name; the password is DTCPOS_PASSWORD or asked for."),
]
Accounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="NAME", help="Only this account; may be given several times.")
]
Heartbeat = Annotated[
    int | None, typer.Option("--heartbeat", metavar="SECONDS", min=1, max=3600, help="Interval of heartbeats (10).")
]
HistoryDays = Annotated[
    int | None,
    typer.Option("--history-days", metavar="DAYS", min=1, help="History asked for at first contact (30)."),
]
RequestTimeout = Annotated[
    float,
    typer.Option(
        "--request-timeout", metavar="SECONDS", min=0.1, callback=countable, help="Ask again after this, then give up."
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0.1, callback=countable, help="With --once: how long to keep trying."
    ),
]
Capture = Annotated[
    Path | None, typer.Option("--capture", metavar="FILE", help="Write every byte received, for `decode`.")
]
SnapshotCsv = Annotated[
    list[str] | None,
    typer.Option(
        "--snapshot-csv",
        metavar="[SYMBOL=]PATH",
        help="Take VWAP, delta and point of control at entry and exit from this file (last,high,low,vwap,poc,cum_delta)"
        " instead of the trades heard; with SYMBOL= for that symbol only.",
    ),
]
NoMarketData = Annotated[bool, typer.Option("--no-market-data", help="Do not subscribe to trade prices.")]
PolicyWord = Literal["ask", "report", "backfill", "adopt", "close", "keep"]
ClosePrice = Annotated[
    str | None, typer.Option("--price", metavar="P", help="With --policy close: at this price; without, unknown.")
]
