"""What `stats` prints: the keys of its JSON, and the figures, the sparkline and the bars people look at."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import IO, Any

from dtcpos.cli.jsonout import plain
from dtcpos.cli.render import WIDE, Column, Table, age, money, print_table
from dtcpos.exact import EXACT
from dtcpos.stats import Block, Earned, Slice, Unrealized

_SLICES = {"day": "days", "week": "weeks", "month": "months", "symbol": "symbols", "account": "accounts"}
_TIMES = ("day", "week", "month")
_ROWS_MAX = 20
_SPARKS = "▁▂▃▄▅▆▇█"
_SPARKS_WIDTH = 60
_BAR_WIDTH = 20
_GAIN, _LOSS = "█", "░"


def block_json(block: Block, asked: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return everything about one mode in one unit under fixed keys; `asked` says what was asked for."""
    figures, found = block.figures, block.unrealized
    return {
        "mode": block.mode,
        "unit": "money" if block.unit.is_money else "points",
        "currency": block.unit.currency,
        "symbol": block.unit.points_of,
        **asked,
        **_earned_json(block.earned),
        **_unrealized_json(found),
        "mark_time": found.mark_time if found is not None else None,
        "mark_age_s": max(round((now - found.mark_time).total_seconds()), 0) if found and found.mark_time else None,
        "total_pnl": _total(block),
        "scratches": figures.scratches,
        "profit_factor": figures.profit_factor,
        "expectancy": figures.expectancy,
        "average_win": figures.average_win,
        "average_loss": figures.average_loss,
        "best": figures.best,
        "worst": figures.worst,
        "average_time_s": figures.average_time_s,
        "longest_win_streak": figures.longest_win_streak,
        "longest_loss_streak": figures.longest_loss_streak,
        "current_streak": figures.current_streak,
        "max_drawdown": figures.max_drawdown,
        "max_runup": figures.max_runup,
        "average_r": figures.average_r,
        "trades_with_r": figures.trades_with_r,
        "average_mae": figures.average_mae,
        "average_mfe": figures.average_mfe,
        "average_efficiency": figures.average_efficiency,
        "trades_unknown": figures.unknown,
        "flags": [flag for flag, _ in _doubts(block)],
        "warnings": [words for _, words in _doubts(block)],
        **{f"by_{by}": [_slice_json(by, part) for part in getattr(block, name)] for by, name in _SLICES.items()},
    }


def _slice_json(by: str, part: Slice) -> dict[str, Any]:
    rest = {"equity": part.equity} if by in _TIMES else _unrealized_json(part.unrealized)
    return {by: part.name, **_earned_json(part.earned), **rest}


def _earned_json(earned: Earned) -> dict[str, Any]:
    return {
        "realized_points": earned.points,
        "realized_pnl": earned.gross,
        "gross_pnl": earned.gross,
        "commission": earned.commission,
        "net_pnl": earned.net,
        "exits": earned.exits,
        "trades": earned.trades,
        "wins": earned.wins,
        "losses": earned.losses,
        "hit_rate": earned.hit_rate,
        "exits_unknown": earned.unknown,
        "commission_unknown": earned.commission_unknown,
    }


def _unrealized_json(found: Unrealized | None) -> dict[str, Any]:
    return {
        "unrealized_points": found.points if found is not None else None,
        "unrealized_pnl": found.amount if found is not None else None,
        "open_positions": found.positions if found is not None else None,
        "positions_unmarked": found.unmarked if found is not None else None,
    }


def _total(block: Block) -> Decimal | None:
    net, found = block.earned.net, block.unrealized
    return None if net is None or found is None or found.amount is None else EXACT.add(net, found.amount)


def _doubts(block: Block) -> Iterator[tuple[str, str]]:
    """Yield what is missing in the figures of a block, each as a flag and in words."""
    earned, unknown, found = block.earned, block.figures.unknown, block.unrealized
    if block.unit.points_of is not None:
        symbol = block.unit.points_of
        remedy = f"`dtcpos instruments set {symbol} --point-value V` makes them money"
        yield "point_value_unknown", f"the worth of a point of {symbol} is unknown: figures are in points; {remedy}"
    if unknown:
        yield "pnl_unknown", f"{_count(unknown, 'trade')} whose profit nobody knows left out of every total"
    elif earned.unknown:
        yield "pnl_unknown", f"{_count(earned.unknown, 'exit')} whose profit nobody knows left out of every total"
    if earned.commission_unknown:
        share = f"{earned.commission_unknown} of {_count(earned.exits, 'exit')}"
        yield "commission_unknown", f"no commission is known for {share}; there net equals gross"
    if found is not None and found.unmarked:
        words = f"{_count(found.unmarked, 'open position')} without a mark or a cost left out of unrealized"
        yield "mark_unknown", words


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def print_block(block: Block, by: str, now: datetime, out: IO[str] | None = None) -> None:
    """Print a block for people: totals, a sparkline of the equity, a table with bars, and what is missing."""
    out = out or sys.stdout
    draws = _can_draw(out)
    print(_title(block), file=out)
    for line in _totals(block, now):
        print(f"  {line}", file=out)
    found = block.unrealized
    if found is not None and found.mark_time is not None:
        opened = _count(found.positions, "open position")
        print(f"  unrealized is of {opened}, at marks up to {age(found.mark_time, now)} old", file=out)
    if draws and len(block.days) > 1:
        print(f"  equity         {sparkline([part.equity or Decimal(0) for part in block.days])}", file=out)
    parts: Sequence[Slice] = getattr(block, _SLICES[by])
    if parts:
        print(file=out)
        shown = parts[-_ROWS_MAX:] if by in _TIMES else parts
        print_table(_table(block, by, shown, draws=draws), out)
        if len(shown) < len(parts):
            print(f"{_count(len(parts) - len(shown), f'earlier {by}')} not shown; --json has them all", file=out)
    for _, words in _doubts(block):
        print(f"note: {words}", file=out)


def _title(block: Block) -> str:
    if block.unit.points_of is not None:
        return f"{block.mode}  {block.unit.points_of}, in points"
    return f"{block.mode}  {block.unit.currency or 'currency unknown'}"


def _totals(block: Block, now: datetime) -> list[str]:
    earned, figures, found = block.earned, block.figures, block.unrealized
    amount = money if block.unit.is_money else _points
    realized = earned.gross if block.unit.is_money else earned.points
    pairs = [
        ("realized", amount(realized)),
        ("trades", f"{figures.trades} ({figures.wins} won, {figures.losses} lost)"),
        ("commission", money(earned.commission, signed=False)),
        ("hit rate", _percent(figures.hit_rate)),
        ("net", amount(earned.net)),
        ("profit factor", _rounded(figures.profit_factor)),
        ("unrealized", _open_amount(block)),
        ("expectancy", amount(figures.expectancy)),
        ("total", amount(_total(block))),
        ("best, worst", f"{amount(figures.best)}, {amount(figures.worst)}"),
        ("max drawdown", amount(figures.max_drawdown)),
        ("average time", _duration(figures.average_time_s, now)),
        ("max run-up", amount(figures.max_runup)),
        ("streaks", f"{figures.longest_win_streak} won, {figures.longest_loss_streak} lost"),
        ("average R", _rounded(figures.average_r)),
        ("MAE, MFE", f"{amount(figures.average_mae)}, {amount(figures.average_mfe)}"),
    ]
    if found is None:
        pairs = [pair for pair in pairs if pair[0] not in ("unrealized", "total")]
    width = max(len(value) for _, value in pairs[::2])
    left = [f"{label:<13}  {value:<{width}}" for label, value in pairs[::2]]
    right = [f"{label:<13}  {value}" for label, value in pairs[1::2]]
    return [f"{one}   {other}".rstrip() for one, other in zip(left, right, strict=True)]


def _open_amount(block: Block) -> str:
    found = block.unrealized
    if found is None:
        return "-"
    return money(found.amount) if block.unit.is_money else _points(found.points)


def _table(block: Block, by: str, parts: Sequence[Slice], *, draws: bool) -> Table:
    is_time, is_money = by in _TIMES, block.unit.is_money
    amount = money if is_money else _points
    columns = [
        Column(by.upper()),
        Column("NET" if is_money else "POINTS", is_number=True),
        Column("EQUITY" if is_time else "UNREALIZED", is_number=True, rank=1),
        Column("TRADES", is_number=True),
        Column("HIT RATE", is_number=True, rank=2),
        Column("REALIZED", is_number=True, rank=4),
        Column("COMMISSION", is_number=True, rank=5),
    ]
    if draws:
        columns.append(Column("", rank=3))
    largest = max((abs(_result(part, is_money=is_money)) for part in parts), default=Decimal(0))
    rows = []
    for part in parts:
        earned, found = part.earned, part.unrealized
        opened = (found.amount if is_money else found.points) if found is not None else None
        row = [
            part.name,
            amount(_result(part, is_money=is_money)),
            amount(part.equity if is_time else opened),
            str(earned.trades),
            _percent(earned.hit_rate),
            amount(earned.gross if is_money else earned.points),
            money(earned.commission, signed=False),
        ]
        rows.append([*row, bar(_result(part, is_money=is_money), largest)] if draws else row)
    return Table(columns=columns, groups=[rows])


def _result(part: Slice, *, is_money: bool) -> Decimal:
    return (part.earned.net if is_money else part.earned.points) or Decimal(0)


def sparkline(values: Sequence[Decimal], width: int = _SPARKS_WIDTH) -> str:
    """Draw values in their order as one line of blocks, the last of each step where there are more than fit."""
    count = min(width, len(values))
    chosen = [values[(step + 1) * len(values) // count - 1] for step in range(count)]
    low, high = min(chosen), max(chosen)
    if low == high:
        return _SPARKS[0] * count
    top = len(_SPARKS) - 1
    return "".join(_SPARKS[round((value - low) / (high - low) * top)] for value in chosen)


def bar(value: Decimal, largest: Decimal, width: int = _BAR_WIDTH) -> str:
    """Draw a value as a bar, full for a gain and light for a loss, as long as its share of the largest."""
    if not value or not largest:
        return ""
    return (_GAIN if value > 0 else _LOSS) * max(1, round(abs(value) / largest * width))


def _can_draw(out: IO[str]) -> bool:
    try:
        (_SPARKS + _LOSS).encode(getattr(out, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return out.isatty()


def _points(value: Decimal | None) -> str:
    if value is None:
        return "-"
    return f"{'+' if value > 0 else ''}{plain(value)}"


def _percent(share: Decimal | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}%"


def _rounded(value: Decimal | None) -> str:
    return "-" if value is None else plain(value.quantize(Decimal("0.01"), context=WIDE))


def _duration(seconds: Decimal | None, now: datetime) -> str:
    return "-" if seconds is None else age(now - timedelta(seconds=float(seconds)), now)
