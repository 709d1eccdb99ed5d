"""What every command looks like: plain help, an example at its end, no completion of its own."""

from __future__ import annotations

from typing import Final

import typer

# Twelve days; whoever means "for ever" is served as long, and no clock of a computer ends before.
_COUNTED_MAX: Final = 1e6


def countable(number: float) -> float:
    """Return a number of an option that can be counted with; nan is in every range, and infinity is no time."""
    if not number <= _COUNTED_MAX:
        raise typer.BadParameter(f"{number} is not a number up to {_COUNTED_MAX:,.0f}")
    return number


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
