"""What every command looks like: plain help, an example at its end, no completion of its own."""

from __future__ import annotations

import typer


def new_app(**settings: str | bool) -> typer.Typer:
    """Return the Typer application a command's file hangs its functions on."""
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        **settings,  # type: ignore[arg-type]
    )


def examples(*lines: str) -> str:
    """Return the end of a help page: the examples, each on a line of its own."""
    # Typer rewraps a paragraph unless it starts with a backspace character.
    heading = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(("\b", heading, *(f"  {line}" for line in lines)))
