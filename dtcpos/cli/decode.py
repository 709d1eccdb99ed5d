"""`dtcpos decode`: a captured byte stream, one JSON object a message, with or without the names in it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TextIO, cast

import typer

from dtcpos.anonymising import Tally, anonymised, learned, octets_of
from dtcpos.cli.faults import say
from dtcpos.cli.jsonout import dumps
from dtcpos.cli.shape import examples, new_app
from dtcpos.dtc import Encoding, Frame, decode_stream, fields_of, read_frames
from dtcpos.dtc.framing import BrokenFraming
from dtcpos.errors import UsageError
from dtcpos.exporters.placing import replacing

app = new_app()

_CHUNK = 256 * 1024
_TYPES_MAX = 10


@app.command(
    epilog=examples(
        "dtcpos connect --capture session.bin",
        "dtcpos decode session.bin --encoding binary | grep ORDER_UPDATE",
        "dtcpos decode session.bin --anonymise --output to-share.bin",
    )
)
def decode(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The captured bytes; - for standard input.")],
    encoding: Annotated[
        Literal["binary", "vls", "json", "compact"],
        typer.Option("--encoding", help="How the first message is written."),
    ] = "binary",
    anonymise: Annotated[
        bool, typer.Option("--anonymise", "--anonymize", help="Put pseudonyms for names, ids and texts.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FILE", help="With --anonymise: write a capture of the same encoding instead."
        ),
    ] = None,
) -> None:
    """Print the messages of a captured byte stream, one JSON object a line.

    Fields have the wire's own names; an unset number is null. An encoding response inside the stream switches the
    encoding, as it does on the wire. Broken framing ends with exit code 4, after every message before it.

    With --anonymise accounts, users, passwords, client and server names, addresses, order and execution ids and all
    free text become pseudonyms (ACCOUNT-1, ORDER-7), the same one wherever the same text stands. Symbols, prices,
    quantities, times and amounts stay, and an account that is SIM by its name stays so. A message that is not
    known goes out blank, one that cannot be read is left out; both are counted on standard error.
    """
    if output is not None and not anonymise:
        raise UsageError("--output goes with --anonymise; without it, redirect standard output")
    started = Encoding.of_word(encoding)
    with _source(file, is_read_twice=anonymise) as stream:
        if anonymise:
            _anonymise(file, stream, started, output)
        else:
            _print(stream, started)


@contextmanager
def _source(file: Path, *, is_read_twice: bool) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        # Who is who is known at the end only, and nothing of it belongs into a temporary file.
        yield io.BytesIO(sys.stdin.buffer.read()) if is_read_twice else sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"cannot read {file}: {error.strerror}; name a file made by `connect --capture`") from error
    with stream:
        yield stream


def _print(stream: IO[bytes], encoding: Encoding) -> None:
    for message in decode_stream(_chunks(stream), encoding):
        print(_line(message.offset, message.size, message.type, message.name, message.fields))


def _line(offset: int, size: int, type_: int | None, name: str | None, fields: dict[str, Any] | None) -> str:
    return dumps({"offset": offset, "size": size, "type": type_, "name": name, "fields": fields})


def _anonymise(file: Path, stream: IO[bytes], encoding: Encoding, output: Path | None) -> None:
    faults: list[BrokenFraming] = []
    names = learned(_whole(stream, encoding, faults))
    stream.seek(0)
    tally = Tally()
    frames = anonymised(_whole(stream, encoding, faults), names, tally)
    if output is None:
        for frame, message in frames:
            told = (message.name, fields_of(message)) if message is not None else (None, None)
            print(_line(frame.offset, len(frame.octets), frame.type, *told))
    else:
        if output.exists() and file.exists() and output.samefile(file):
            raise UsageError(f"{output} is the capture itself; name another --output")
        with replacing(output) as out:
            for frame, message in frames:
                cast("TextIO", out).buffer.write(octets_of(frame, message))
    say(_summary(tally))
    if faults:
        raise faults[0]


def _whole(stream: IO[bytes], encoding: Encoding, faults: list[BrokenFraming]) -> Iterator[Frame]:
    """Yield the frames there are; what is left over or broken is noted, and nothing of it goes further."""
    try:
        yield from read_frames(_chunks(stream), encoding)
    except BrokenFraming as fault:
        faults.append(fault)


def _summary(tally: Tally) -> str:
    replaced = ", ".join(f"{count} {sort.lower()}" for sort, count in tally.replaced.items() if count)
    words = [f"{tally.messages} messages", f"replaced: {replaced or 'nothing'}"]
    if tally.blanked:
        types = ", ".join(f"{count} of type {type_}" for type_, count in sorted(tally.blanked.items())[:_TYPES_MAX])
        words.append(f"not known and blanked: {types}{', ...' if len(tally.blanked) > _TYPES_MAX else ''}")
    if tally.dropped:
        words.append(f"not readable and left out: {tally.dropped}")
    return "; ".join(words)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk
