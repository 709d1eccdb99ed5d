"""Trades one after another: what their order says (streaks, drawdown) and what their number says (averages)."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal

from attrs import frozen

from dtcpos.booking import rounded_quotient
from dtcpos.model import ZERO

_NO_TIME = timedelta()
# Ratios have no last digit; these are kept to more than any figure made of them is told.
_RATIOS = Context(prec=34, rounding=ROUND_HALF_EVEN)
_add, _divide = _RATIOS.add, _RATIOS.divide
_MICROSECOND = timedelta(microseconds=1)


@frozen(kw_only=True)
class Figures:
    """How the trades of a series did, in the unit they were given in, after commission.

    A trade won or lost by its net; one of exactly 0 is a scratch, counts in `trades` and ends a streak. `hit_rate` is
    won by trades, `profit_factor` the sum won by the sum lost, `expectancy` the mean. `current_streak` is negative
    while losing. `max_drawdown` is the largest fall of the running total from a top before it (zero or negative),
    `max_runup` the largest rise from a bottom; the total starts at 0. Averages of R, excursions and efficiency are over
    the trades that have one. Quotients are rounded half-even to 10 decimals; None where there is nothing to divide by.
    """

    trades: int
    wins: int
    losses: int
    unknown: int
    hit_rate: Decimal | None
    profit_factor: Decimal | None
    expectancy: Decimal | None
    average_win: Decimal | None
    average_loss: Decimal | None
    best: Decimal | None
    worst: Decimal | None
    average_time_s: Decimal | None
    longest_win_streak: int
    longest_loss_streak: int
    current_streak: int
    max_drawdown: Decimal
    max_runup: Decimal
    average_r: Decimal | None
    trades_with_r: int
    average_mae: Decimal | None
    average_mfe: Decimal | None
    average_efficiency: Decimal | None

    @property
    def scratches(self) -> int:
        """The trades that neither won nor lost."""
        return self.trades - self.wins - self.losses


class Series:
    """Trades as they are added, in the order of their exits; sums are exact in the decimal context of the caller."""

    __slots__ = (
        "best", "efficiencies", "efficiency", "equity", "excursions", "fall", "longest_loss", "longest_win", "losses",
        "lost", "mae", "mfe", "peak", "r", "rise", "risks", "streak", "time", "trades", "trough", "unknown", "wins",
        "won", "worst",
    )  # fmt: skip

    def __init__(self) -> None:
        self.trades = self.wins = self.losses = self.unknown = 0
        self.streak = self.longest_win = self.longest_loss = 0
        self.won = self.lost = self.equity = self.peak = self.trough = self.fall = self.rise = ZERO
        self.best = self.worst = ZERO
        self.time = _NO_TIME
        self.mae = self.mfe = self.r = self.efficiency = ZERO
        self.excursions = self.risks = self.efficiencies = 0

    def add(
        self, net: Decimal, time: timedelta, mae: Decimal | None, mfe: Decimal | None, risk: Decimal | None
    ) -> None:
        """Add the next trade: what it earned, how long it lived, its MAE and MFE, and the risk it was begun with."""
        if not self.trades:
            self.best = self.worst = net
        elif net > self.best:
            self.best = net
        elif net < self.worst:
            self.worst = net
        self.trades += 1
        self.time += time
        self._judge(net)
        self._follow(net)
        if mae is not None and mfe is not None:
            self.excursions += 1
            self.mae += mae
            self.mfe += mfe
            if mfe > 0:
                self.efficiency = _add(self.efficiency, _divide(net, mfe))
                self.efficiencies += 1
        if risk is not None and risk > 0:
            self.r = _add(self.r, _divide(net, risk))
            self.risks += 1

    def _judge(self, net: Decimal) -> None:
        if net > 0:
            self.wins += 1
            self.won += net
            self.streak = self.streak + 1 if self.streak > 0 else 1
            self.longest_win = max(self.longest_win, self.streak)
        elif net < 0:
            self.losses += 1
            self.lost += net
            self.streak = self.streak - 1 if self.streak < 0 else -1
            self.longest_loss = max(self.longest_loss, -self.streak)
        else:
            self.streak = 0

    def _follow(self, net: Decimal) -> None:
        self.equity = equity = self.equity + net
        if equity > self.peak:
            self.peak = equity
        elif (fall := equity - self.peak) < self.fall:
            self.fall = fall
        if equity < self.trough:
            self.trough = equity
        elif (rise := equity - self.trough) > self.rise:
            self.rise = rise

    def figures(self) -> Figures:
        """Return the figures of the trades added so far."""
        seconds = _per(Decimal(self.time // _MICROSECOND).scaleb(-6), self.trades)
        return Figures(
            trades=self.trades,
            wins=self.wins,
            losses=self.losses,
            unknown=self.unknown,
            hit_rate=_per(Decimal(self.wins), self.trades),
            profit_factor=rounded_quotient(self.won, -self.lost) if self.lost else None,
            expectancy=_per(self.won + self.lost, self.trades),
            average_win=_per(self.won, self.wins),
            average_loss=_per(self.lost, self.losses),
            best=self.best if self.trades else None,
            worst=self.worst if self.trades else None,
            average_time_s=seconds,
            longest_win_streak=self.longest_win,
            longest_loss_streak=self.longest_loss,
            current_streak=self.streak,
            max_drawdown=self.fall,
            max_runup=self.rise,
            average_r=_per(self.r, self.risks),
            trades_with_r=self.risks,
            average_mae=_per(self.mae, self.excursions),
            average_mfe=_per(self.mfe, self.excursions),
            average_efficiency=_per(self.efficiency, self.efficiencies),
        )


def _per(total: Decimal, count: int) -> Decimal | None:
    return rounded_quotient(total, Decimal(count)) if count else None
