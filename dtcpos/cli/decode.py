"""`dtcpos decode`: a captured byte stream, one JSON object a message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

import typer

from dtcpos.cli.jsonout import dumps
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import UsageError

app = new_app()

_CHUNK = 256 * 1024


@app.command(
    epilog=examples(
        "dtcpos connect --capture session.bin",
        "dtcpos decode session.bin --encoding binary | grep ORDER_UPDATE",
    )
)
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The captured bytes; - for standard input.")],
    encoding: Annotated[
        Literal["binary", "vls", "json", "compact"],
        typer.Option("--encoding", help="How the first message is written."),
    ] = "binary",
) -> None:
    """Print the messages of a captured byte stream, one JSON object a line.

    Fields have the wire's own names; an unset number is null. An encoding response inside the stream switches the
    encoding, as it does on the wire. Broken framing ends with exit code 4, after every message before it.
    """
    from dtcpos.dtc import Encoding, decode_stream

    words = {known.word: known for known in Encoding}
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
            for message in decode_stream(_chunks(stream), words[encoding]):
                print(
                    dumps(
                        {
                            "offset": message.offset,
                            "size": message.size,
                            "type": message.type,
                            "name": message.name,
                            "fields": message.fields,
                        }
                    )
                )
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"cannot read {file}: {error.strerror}; name a file made by `connect --capture`") from error


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
