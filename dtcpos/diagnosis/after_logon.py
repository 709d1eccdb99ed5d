"""What is said of a server that has admitted us: what it lets us see, its prices, its clock. Pure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from dtcpos.diagnosis.sight import Answers, Definition, Finding, Sight
from dtcpos.diagnosis.words import (
    CONNECT_FEED,
    NTP_SETTINGS,
    SERVICE_SETTINGS,
    SIMULATED_ACCOUNTS,
    SYMBOL_SETTINGS,
    fault,
    ok,
    plural,
    printable,
    setting,
    skipped,
    warning,
)
from dtcpos.keeping.sync import Ended, Outcome, Topic

# In the same words wherever it is due, so that it is told once.
_ALLOW = (
    "allow trading messages, and connect Sierra Chart to the service of the accounts; dtcpos sends no orders",
    f"{setting('Allow Trading: Yes')}; then {CONNECT_FEED}",
)
# Heartbeats state whole seconds, and a busy line delays them.
DRIFT_S_OK = 3.0
DRIFT_S_MAX = 10.0
# Feeds scale by a hundred and more. Prices of one symbol differ by less, but for options and spreads, whose prices are
# few ticks from nothing: there a factor says nothing.
_SCALE_MIN = Decimal(30)
_TICKS_MIN = 40
_COARSE_MIN = 3
_SCALES = [Decimal(10) ** power for power in range(2, 7)]

Judge = Callable[[Sight, Answers], Finding]


def after_logon(sight: Sight) -> list[Finding]:
    """Return the checks behind the logon."""
    answers = sight.answers
    assert answers is not None, "who was admitted has asked"
    return [judge(sight, answers) for judge in _JUDGES]


def _trading(sight: Sight, answers: Answers) -> Finding:
    assert sight.logon is not None
    if not sight.logon.TradingIsSupported:
        return fault(
            "trading",
            "not supported, says the server: it need not tell orders, fills and positions",
            *_ALLOW,
        )
    if sight.logon.UsesMultiplePositionsPerSymbolAndTradeAccount:
        return warning(
            "trading",
            "the server keeps several positions in one symbol and account; dtcpos keeps their sum",
            "look at the quantities in sum",
        )
    if answers.notices:
        return ok("trading", f"allowed; the server says: {printable(answers.notices[0])}")
    return ok("trading", "allowed")


def _accounts(_: Sight, answers: Answers) -> Finding:
    ended = _of(answers, Topic.ACCOUNTS)
    names = list(dict.fromkeys(name for each in ended for name in each.accounts))
    if names:
        shown = ", ".join(map(printable, names[:4])) + (", ..." if len(names) > 4 else "")
        off = f"; trading is disabled by the broker for {', '.join(map(printable, answers.disabled))}"
        return ok("accounts", f"{len(names)}: {shown}{off if answers.disabled else ''}")
    remedy = "connect Sierra Chart to a service that trades, or switch its simulated accounts on"
    menu = f"{SERVICE_SETTINGS}; then {CONNECT_FEED}; simulated: {SIMULATED_ACCOUNTS}"
    if not ended:
        return _cut_off("accounts", answers)
    found = "the server has no trade accounts" if ended[0].outcome is Outcome.COMPLETE else _refusals(ended)
    return fault("accounts", found, remedy, menu)


def _questioned(topic: Topic, check: str, consequence: str, *, is_fault: bool) -> Judge:
    def judge(_: Sight, answers: Answers) -> Finding:
        ended = _of(answers, topic)
        bad = [each for each in ended if each.outcome is not Outcome.COMPLETE]
        if not ended:
            if answers.lost:
                return _cut_off(check, answers)
            return skipped(check, "no account to ask for")
        if bad:
            finding = fault if is_fault else warning
            return finding(
                check,
                f"{_refusals(bad)}; {consequence}",
                *_ALLOW,
            )
        unusable = sum(len(each.unusable) for each in ended)
        contents = sum(len(each.history) + len(each.reported) + len(each.orders) for each in ended)
        words = f"told, {contents} for {plural(len(ended), 'account')}"
        if unusable:
            return warning(check, f"{words}; {unusable} of them cannot be meant: {ended[0].unusable[:1]}", "report it")
        return ok(check, words)

    return judge


def _of(answers: Answers, topic: Topic) -> list[Ended]:
    return [each for each in answers.ended if each.topic is topic]


def _refusals(bad: list[Ended]) -> str:
    first = bad[0]
    words = printable(first.words)
    who = f"{first.account}: " if first.account else ""
    more = f" (and {plural(len(bad) - 1, 'account')} more)" if len(bad) > 1 else ""
    return f"{who}{words}{more}"


def _cut_off(check: str, answers: Answers) -> Finding:
    return fault(
        check,
        f"the line ended before the answer came ({printable(answers.lost)})",
        "see what the server says about it",
        "Window >> Message Log",
    )


def _market_data(sight: Sight, answers: Answers) -> Finding:
    assert sight.logon is not None
    live = "fills and positions are kept all the same, marks and excursions are not"
    if not sight.logon.MarketDataSupported:
        return warning("market_data", f"the server gives no market data; {live}", "none is needed for positions")
    market = answers.market
    if answers.feed_is_down:
        return warning(
            "market_data", f"the server has no market data at present; {live}", "connect its feed", CONNECT_FEED
        )
    if market is None:
        return ok("market_data", "offered; no symbol is held or was traded lately to try it with")
    if market.outcome == "snapshot":
        return ok("market_data", f"told for {printable(market.symbol)}")
    words = f": {printable(market.text)}" if market.text else ""
    return warning(
        "market_data",
        f"{market.outcome} for {printable(market.symbol)}{words}; {live}",
        "use --no-market-data, or read it from a chart's file with --snapshot-csv: Sierra Chart may not pass on data "
        "of CME, EUREX, NASDAQ and CBOE",
    )


def _prices(sight: Sight, answers: Answers) -> Finding:
    if not answers.prices and not answers.definitions:
        return skipped("prices", "no position and no fill to look at")
    apart = _scaled_apart(sight, answers)
    if apart is not None:
        symbol, words = apart
        return fault(
            "prices",
            words,
            f"say the factor from the wire's price to the one you read: dtcpos instruments set {symbol} --multiplier M",
            SYMBOL_SETTINGS,
        )
    scaled = [each for each in answers.definitions if each.multiplier != 1]
    if scaled:
        words = ", ".join(f"{printable(each.symbol)} x {each.multiplier.normalize():f}" for each in scaled)
        return warning(
            "prices",
            f"the server sends scaled prices: {words}; dtcpos multiplies",
            "compare a price of `dtcpos tail` with your chart; `dtcpos instruments set` corrects the multiplier",
            SYMBOL_SETTINGS,
        )
    coarse = next(filter(None, (_too_coarse(each, answers) for each in answers.definitions)), None)
    if coarse is not None:
        return warning(
            "prices", coarse, "compare one with your chart; if so, see `dtcpos instruments set`", SYMBOL_SETTINGS
        )
    looked = list(
        dict.fromkeys([*(symbol for symbol, _ in answers.prices), *(each.symbol for each in answers.definitions)])
    )
    return ok("prices", f"as people read them, for {', '.join(map(printable, looked[:3]))}")


def _scaled_apart(sight: Sight, answers: Answers) -> tuple[str, str] | None:
    """Return a symbol whose wire prices are a power of ten apart between two sources, and the words for it."""
    stated = dict(reversed(answers.prices))
    floors = {each.symbol: each.tick * _TICKS_MIN for each in answers.definitions}
    sources = [("another of them is at", answers.prices), ("in the ledger they are at", sight.known_prices)]
    if answers.market is not None and answers.market.price is not None:
        sources.append(("the market is at", ((answers.market.symbol, answers.market.price),)))
    for source, prices in sources:
        for symbol, price in prices:
            first = stated.get(symbol)
            if first is None or min(first, price) <= floors.get(symbol, 0):
                continue
            if max(first, price) < _SCALE_MIN * min(first, price):
                continue
            scale = min(_SCALES, key=_distance(max(first, price) / min(first, price)))
            times = f"about {scale:f} times as {'much' if first > price else 'little'}"
            return symbol, f"{printable(symbol)}: the server states {first:f}, {times}: {source} {price:f}"
    return None


def _distance(ratio: Decimal) -> Callable[[Decimal], Decimal]:
    return lambda scale: abs(scale - ratio)


def _too_coarse(definition: Definition, answers: Answers) -> str | None:
    """Say so where every price lies on a hundredfold of the tick: by chance that is one in a million."""
    seen = {price for symbol, price in answers.prices if symbol == definition.symbol}
    if answers.market is not None and answers.market.symbol == definition.symbol and answers.market.price:
        seen.add(answers.market.price)
    if len(seen) < _COARSE_MIN or definition.tick <= 0 or any(price % (definition.tick * 100) for price in seen):
        return None
    words = f"{min(seen):f} and all others look a hundredfold for a tick of {definition.tick:f}"
    return f"{printable(definition.symbol)}: {words}"


def _clock(sight: Sight, answers: Answers) -> Finding:
    if not answers.drifts_s:
        why = "the server's heartbeats carry no time" if answers.heartbeats else "no heartbeat came"
        return skipped("clock", why)
    drift = min(answers.drifts_s, key=abs)
    size = abs(drift)
    words = f"{size:.0f} s {'ahead of' if drift > 0 else 'behind'} ours"
    if size <= DRIFT_S_OK:
        return ok("clock", "the server's and ours agree")
    whose = "this computer's clock" if sight.is_local else "both computers' clocks"
    finding = fault if size > DRIFT_S_MAX else warning
    return finding(
        "clock",
        f"the server's clock is {words}; marks are counted from the entry on, so times must agree",
        f"let {whose} be set by a time server",
        f"{NTP_SETTINGS} >> NTP Client Enable: Yes",
    )


_JUDGES: tuple[Judge, ...] = (
    _trading,
    _accounts,
    _questioned(Topic.HISTORY, "history", "missed fills cannot be booked", is_fault=True),
    _questioned(Topic.POSITIONS, "positions", "positions stay UNVERIFIED", is_fault=True),
    _questioned(Topic.ORDERS, "orders", "stops and targets are unknown until they change", is_fault=False),
    _market_data,
    _prices,
    _clock,
)
