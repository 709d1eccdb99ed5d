"""Put what an older state file says into the ledger, where that is certain; say it where it is not.

Invariants:
1. A position is taken over only where the ledger has never heard of its key; else it is compared.
2. Timers change no quantity and no money: an entry time only stands in for one that no execution has told.
3. The same file a second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from attrs import frozen

from dtcpos.booking import average_price, flat, mark
from dtcpos.booking.entries import synthetic_id
from dtcpos.booking.excursions import widest
from dtcpos.booking.pricing import wire_price
from dtcpos.importers.older import KIND, OlderState, file_account_of
from dtcpos.importers.report import Difference, Report, moment_text, number_text
from dtcpos.keeping.posting import Posting
from dtcpos.model import ZERO, Account, Fill, JournalEntry, Position, PositionKey, Side, Source
from dtcpos.store import PositionRepository
from dtcpos.translate import mode_of
from dtcpos.updates import AlertUpdate

# The lots of such a fill stand for executions nobody told; a server's history may tell them later and then replace it.
_STAND_IN = ("carried", "history_missing")
_STANDS_IN = frozenset({"carried", "adopted"})


@frozen(kw_only=True)
class Placing:
    """The ledger a file is put into, and when.

    `heat` is since when the open positions are known to be under water, `mode_rules` what the settings say of accounts.
    """

    repository: PositionRepository
    posting: Posting
    now: datetime
    heat: Mapping[PositionKey, datetime]
    mode_rules: Mapping[str, str]


def place(state: OlderState, into: Placing) -> Report:
    """Take over, compare or explain what a state file says, inside the caller's transaction."""
    account = _account(state, into)
    if isinstance(account, Difference):
        return _report(state, differences=[account])
    mode = _mode(state, account, into)
    if isinstance(mode, Difference):
        return _report(state, differences=[mode])
    if state.signed_quantity is not None:
        return _place_position(state, account, mode, into)
    return _place_timers(state, account, into)


def _account(state: OlderState, into: Placing) -> str | Difference:
    if state.account and state.file_account and file_account_of(state.account) != state.file_account:
        return _not_placed(state, f"its name says account {state.file_account}, its content {state.account}")
    if state.account:
        return state.account
    known = [name for name in into.posting.accounts if file_account_of(name) == state.file_account]
    if len(known) == 1:
        return known[0]
    if len(known) > 1:
        return _not_placed(state, f"its name may mean any of the accounts {', '.join(sorted(known))}")
    if state.file_account and "_" not in state.file_account:
        return state.file_account
    if state.signed_quantity is None and state.entry_time is None and state.heat_since is None:
        return ""
    return _not_placed(state, "neither its name nor its content says which account it is about")


def _mode(state: OlderState, account: str, into: Placing) -> str | Difference:
    """Return the mode of the file's account; where the ledger and the file disagree neither is believed."""
    said = {mode for mode in (state.mode, state.file_mode) if mode}
    if len(said) > 1:
        return _not_placed(state, f"its name says {state.file_mode}, its content {state.mode}")
    stated = next(iter(said), "")
    known = into.posting.accounts.get(account)
    if known is not None:
        mode, remedy = known.mode, f"`dtcpos accounts set {account} {stated}` corrects the ledger"
    else:
        mode, rule = mode_of(account, into.mode_rules)
        is_decided = rule != mode_of("", {})[1]
        if stated and not is_decided and stated.replace("_", "").isalnum() and stated != "ALL":
            return stated
        remedy = f"write {account} = {stated!r} under [accounts] of the settings if the file is right"
    if stated and stated != mode:
        words = f"the file is about {stated}, but account {account} is {mode}; {remedy}"
        return _not_placed(state, words, kind="mode", account=account)
    return mode


def _place_position(state: OlderState, account: str, mode: str, into: Placing) -> Report:
    assert state.signed_quantity is not None
    if not state.symbol:
        return _report(state, differences=[_not_placed(state, "it names no symbol for its position", account=account)])
    entered = state.entry_time or state.saved_at
    if entered is None:
        words = "it says neither when its position was entered nor when it was saved"
        return _report(state, differences=[_not_placed(state, words, account=account)])
    if entered > into.now:
        # Whatever happens until then would be booked before it.
        words = f"its position is of {moment_text(entered)}, ahead of this computer's clock"
        return _report(state, differences=[_not_placed(state, words, account=account)])
    key = PositionKey(mode, account, state.symbol)
    fill = _carried(state, account, entered, into)
    if into.repository.find_executions(account, [fill.execution_id]):
        return _report(state, fills=1, seen_before=1, notes=[f"{' '.join(key)} was taken over from it before"])
    if key in into.posting.positions or into.repository.count_of_key(account, state.symbol):
        return _compared(state, key, into)
    notes = _met(state, account, mode, into)
    notes += [update.text for update in into.posting.post_entry(fill, now=into.now) if isinstance(update, AlertUpdate)]
    _keep_beside(state, key, into)
    if state.entry_price is None:
        notes.append(f"{' '.join(key)}: the entry price is unset; its profit stays unknown")
    if state.entry_time is None:
        notes.append(f"{' '.join(key)}: the entry time is unset; it was held by {moment_text(entered)}")
    notes.append(f"{' '.join(key)}: taken over {_words(state.signed_quantity, state.entry_price)}; verify with broker")
    return _report(state, fills=1, new=1, notes=notes)


def _carried(state: OlderState, account: str, entered: datetime, into: Placing) -> Fill:
    assert state.signed_quantity is not None
    quantity = abs(state.signed_quantity)
    price = wire_price(state.entry_price, into.posting.instruments.get(state.symbol))
    stated = (state.signed_quantity.normalize(), None if price is None else price.normalize(), entered.timestamp())
    return Fill(
        account=account,
        symbol=state.symbol,
        side=Side.BUY if state.signed_quantity > 0 else Side.SELL,
        quantity=quantity,
        price=price,
        time=entered.astimezone(UTC),
        time_is_exact=bool(entered.microsecond),
        execution_id=synthetic_id("older state", account, state.symbol, *stated),
        source=Source.IMPORT,
        flags=_STAND_IN,
        reason=f"taken over from {state.path.name}",
        raw=KIND,
    )


def _met(state: OlderState, account: str, mode: str, into: Placing) -> list[str]:
    """Make the account known in the mode its file states, where no rule decides another."""
    if account in into.posting.accounts or mode_of(account, into.mode_rules)[0] == mode:
        return []
    rule = f"stated by {state.path.name}"
    into.posting.put_account(Account(account=account, mode=mode, rule=rule, first_seen_at=into.now))
    entry = JournalEntry(at=into.now, cause="account", account=account, after=mode, reason=rule)
    into.repository.add_journal([entry])
    return [f"account {account} is {mode} ({rule})"]


def _keep_beside(state: OlderState, key: PositionKey, into: Placing) -> None:
    """Store what the file knows beside the lots: brackets, the market at entry, extremes, heat."""
    if state.target_price is not None or state.stop_price is not None:
        into.repository.set_brackets(key, state.target_price, state.stop_price)
    if (state.entry_vwap, state.entry_cum_delta, state.entry_poc) != (None, None, None):
        into.repository.set_entry_snapshot(
            key, vwap=state.entry_vwap, cum_delta=state.entry_cum_delta, poc=state.entry_poc
        )
    if state.heat_since is not None:
        into.repository.set_heat(key, state.heat_since)
    position = into.posting.positions[key]
    for price in (state.price_min, state.price_max):
        if price is not None:
            position = mark(position, price)
    into.posting.widen([position])


def _compared(state: OlderState, key: PositionKey, into: Placing) -> Report:
    assert state.signed_quantity is not None
    held = into.posting.positions.get(key, flat(key))
    average = average_price(held)
    is_same_quantity = held.signed_quantity == state.signed_quantity
    is_same_price = state.entry_price is None or average is None or _is_near(state.entry_price, average, key, into)
    if is_same_quantity and is_same_price:
        notes = [f"{' '.join(key)}: the ledger holds the same, {_words(held.signed_quantity, average)}"]
        return _report(state, fills=1, seen_before=1, notes=notes)
    text = (
        f"{' '.join(key)}: the file says {_words(state.signed_quantity, state.entry_price)}, the ledger has executions "
        f"of its own and holds {_words(held.signed_quantity, average)}; nothing was changed"
    )
    difference = Difference(
        kind="position",
        account=key.account,
        symbol=key.symbol,
        text=text,
        stated=state.signed_quantity,
        held=held.signed_quantity,
        time=state.saved_at,
    )
    return _report(state, fills=1, differences=[difference])


def _is_near(stated: Decimal, average: Decimal, key: PositionKey, into: Placing) -> bool:
    # The older program rounded its averages; a step of the market is the least that means anything.
    instrument = into.posting.instruments.get(key.symbol)
    tick = instrument.tick if instrument is not None and instrument.tick else Decimal("1e-6")
    return abs(stated - average) < tick


def _place_timers(state: OlderState, account: str, into: Placing) -> Report:
    if state.entry_time is None and state.heat_since is None:
        return _report(state, notes=["it holds no position and no timer; nothing to import"])
    held = [
        position
        for key, position in into.posting.positions.items()
        if key.account == account and state.symbol in ("", key.symbol)
    ]
    if len(held) != 1:
        found = "nothing is" if not held else f"{', '.join(sorted(each.key.symbol for each in held))} are"
        words = f"its timers are of one position, but {found} held in account {account}"
        return _report(state, notes=[f"not placed: {words}"])
    (position,) = held
    notes: list[str] = []
    if state.entry_time is not None:
        notes.append(_place_entry(state.entry_time, position, state, into))
    if state.heat_since is not None:
        notes.append(_place_heat(state.heat_since, position, into))
    return _report(state, notes=notes)


def _place_entry(entered: datetime, position: Position, state: OlderState, into: Placing) -> str:
    key = position.key
    words = f"{' '.join(key)}: entry time {moment_text(entered)}"
    assert position.opened_by is not None
    (opening,) = into.repository.fills([position.opened_by])
    if opening.time == entered:
        return f"{words} is what the ledger has"
    if not _STANDS_IN & set(opening.flags):
        assert position.entry_time is not None
        return f"{words} not set: the execution itself is known to be of {moment_text(position.entry_time)}"
    others = [fill for fill in into.repository.fills_of_key(*key[1:]) if fill.id != opening.id]
    closed = [fill.time for fill in others if fill.time <= opening.time]
    later = [fill.time for fill in others if fill.time > opening.time]
    if entered > into.now or (closed and entered <= max(closed)) or (later and entered >= min(later)):
        return f"{words} not set: other executions of the position lie on the other side of it"
    reason = f"entry time from {state.path.name}"
    moved = opening._replace(time=entered, time_is_exact=bool(entered.microsecond), reason=reason)
    into.posting.post_correction(opening, moved, now=into.now)
    into.posting.widen([widest(position, into.posting.positions[key])])
    return f"{words} set"


def _place_heat(since: datetime, position: Position, into: Placing) -> str:
    key = position.key
    words = f"{' '.join(key)}: under water since {moment_text(since)}"
    known = into.heat.get(key)
    if known == since:
        return f"{words} is what the ledger has"
    if known is not None:
        return f"{words} not set: the ledger has it since {moment_text(known)}"
    entry = into.posting.positions[key].entry_time
    if since > into.now or (entry is not None and since < entry):
        return f"{words} not set: the position is not that old, or the time lies ahead"
    into.repository.set_heat(key, since)
    return f"{words} set"


def _words(signed: Decimal, price: Decimal | None) -> str:
    if signed == ZERO:
        return "nothing"
    return f"{'LONG' if signed > 0 else 'SHORT'} {number_text(abs(signed))} @ {number_text(price)}"


def _not_placed(state: OlderState, words: str, *, kind: str = "not placed", account: str = "") -> Difference:
    text = f"not placed: {words}"
    account = account or state.account or state.file_account
    return Difference(
        kind=kind, account=account, symbol=state.symbol, text=text, stated=state.signed_quantity, time=state.saved_at
    )


def _report(
    state: OlderState,
    *,
    fills: int = 0,
    new: int = 0,
    seen_before: int = 0,
    differences: list[Difference] | None = None,
    notes: list[str] | None = None,
) -> Report:
    return Report(
        path=state.path,
        kind=KIND,
        rows=1,
        fills=fills,
        new=new,
        seen_before=seen_before,
        differences=tuple(differences or ()),
        notes=tuple(notes or ()),
    )
