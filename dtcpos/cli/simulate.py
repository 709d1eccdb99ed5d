"""`dtcpos simulate`: a DTC server on this machine that speaks a written session."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import typer

from dtcpos.cli.shape import countable, examples, new_app
from dtcpos.errors import UsageError

app = new_app()

_FIRST_LINES = """\
account Sim1
symbol MESZ26-CME tick 0.25 value 1.25
--
fill Sim1 BUY 1 MESZ26-CME @ 6850.25 id E-1
wait 2
stop\
"""


@app.command(
    epilog=examples(
        "dtcpos simulate session.txt --port 11099 --encoding json",
        "dtcpos simulate demo --speed 4",
        "dtcpos simulate --grammar",
    )
)
def simulate(
    script: Annotated[
        Path | None, typer.Argument(metavar="SCRIPT", help="The written session; `demo` is the one that ships.")
    ] = None,
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Where to listen; 0 takes a free port.")
    ] = 0,
    encoding: Annotated[
        Literal["binary", "vls", "json", "compact"] | None,
        typer.Option("--encoding", help="The only encoding it speaks; without it, the ones the script allows."),
    ] = None,
    speed: Annotated[
        float,
        typer.Option(
            "--speed", metavar="FACTOR", min=0.001, callback=countable, help="Divides every wait of the script."
        ),
    ] = 1.0,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="PATH", help="Speak TLS with this certificate and key (PEM).")
    ] = None,
    grammar: Annotated[bool, typer.Option("--grammar", help="Print the language of scripts and exit.")] = False,
) -> None:
    """Serve a scripted session on 127.0.0.1, with faults where the script says so.

    The first line printed is `listening on 127.0.0.1:PORT`. It ends when the script says stop, or on Ctrl-C. A script
    declares accounts and symbols, then a line with -- and what happens; --grammar prints the whole language:
    """
    from dtcpos.sim import GRAMMAR

    if grammar:
        typer.echo(GRAMMAR, nl=False)
        return
    if script is None:
        raise UsageError("no SCRIPT given; name a file, or `demo` for the session that ships")
    _serve(script, port=port, encoding=encoding, speed=speed, tls_cert=tls_cert)


simulate.__doc__ = f"{simulate.__doc__}\n    \b\n" + "".join(f"      {line}\n" for line in _FIRST_LINES.splitlines())


def _serve(script: Path, *, port: int, encoding: str | None, speed: float, tls_cert: Path | None) -> None:
    import ssl

    from dtcpos.dtc import Encoding
    from dtcpos.sim import SimulatedServer, demo_dialogue, read_dialogue

    dialogue = demo_dialogue() if str(script) == "demo" and not script.exists() else read_dialogue(script)
    tls = None
    if tls_cert is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            tls.load_cert_chain(tls_cert)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(f"{tls_cert} is no certificate with its key: {error}; give a PEM file of both") from error
    fixed = next((known for known in Encoding if known.word == encoding), None)
    server = SimulatedServer(dialogue, port=port, fixed_encoding=fixed, speed=speed, tls=tls)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    server.serve_forever()
