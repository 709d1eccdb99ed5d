"""Prove what is held against what the server states, and take over what it held before we came.

A snapshot is a check, never an input, but for first contact with an account and symbol: then there is nothing to
contradict, and the lots the history does not explain are carried in by one adjustment. Where history could not be
asked that is a guess, and the first whole history that disagrees withdraws it. A difference becomes a break only after
a quiet period, a second whole answer to a targeted question, and never from silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from attrs import evolve

from dtcpos.booking import carried_in, compare, reconcile, widened
from dtcpos.booking.entries import synthetic_id
from dtcpos.keeping.answers import Answer, Policy, answer_break, kept_words
from dtcpos.keeping.gaps import GapWatch
from dtcpos.keeping.history import news_of, whole_hour
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.sync import Ended, Outcome, Sync, Topic, by_symbol
from dtcpos.model import ZERO, Break, Fill, JournalEntry, Position, PositionKey, ReportedPosition, Verification
from dtcpos.store import PositionRepository
from dtcpos.updates import AlertUpdate, BreakUpdate, Update, VerifiedUpdate, last_fills

QUIET_S = 2.0
# An account that trades without a pause is compared all the same.
_QUIET_S_MAX = 10.0
# So often fills may put a verdict off; then an account that trades without a pause gets one all the same.
_LOOKS_MAX = 5
# A restart may find executions that the last session was told and lost; a day covers every clock that is set wrong.
_HISTORY_MARGIN = timedelta(days=1)
# Carried in while history could not be asked: a later history may tell the same lots as executions.
_GUESSED = "history_missing"
_AGREED = "agreed"
_ANSWERS = {Policy.ADOPT: Answer.ADOPT, Policy.CLOSE: Answer.CLOSE, Policy.KEEP: Answer.KEEP}
_NOT_IN_SNAPSHOT = "not in the server's snapshot, which has not yet proved complete for this account"


class Checking:
    """One session's comparisons: which accounts were compared, what must be asked again, and what differs."""

    def __init__(
        self,
        repository: PositionRepository,
        posting: Posting,
        sync: Sync,
        *,
        history_days: float,
        policy: Policy = Policy.REPORT,
        close_price: Decimal | None = None,
    ) -> None:
        self._policy = policy
        self._close_price = close_price
        self._repository = repository
        self._posting = posting
        self._sync = sync
        self._history_days = history_days
        self._gaps = GapWatch(repository, posting)
        self._recheck_at: dict[str, float] = {}
        self._recheck_since: dict[str, float] = {}
        self._being_rechecked: set[str] = set()
        self._second_look: set[str] = set()
        self._looks: Counter[str] = Counter()
        self._awaiting_verdict: set[str] = set()
        self._unconfirmed: set[PositionKey] = set()
        self._agreed_now: set[PositionKey] = set()
        self._told_history: set[str] = set()
        self.unfinished: dict[tuple[str, Topic], str] = {}
        self.reload()

    def reload(self) -> None:
        """Read contacts, breaks and verifications from the file again: another process has written."""
        self._contacts = self._repository.contacts()
        self._breaks: dict[PositionKey, Break] = {found.key: found for found in self._repository.open_breaks()}
        self._kept: dict[PositionKey, Break] = {found.key: found for found in self._repository.kept_breaks()}
        self._verifications: dict[PositionKey, Verification] = dict(self._repository.verifications())

    @property
    def open_breaks(self) -> Sequence[Break]:
        """The breaks nobody has answered."""
        return list(self._breaks.values())

    @property
    def is_settled(self) -> bool:
        """Whether every account asked about has had its verdict, whatever came after it."""
        return not self._awaiting_verdict

    def ask(self, account: str, moment: datetime) -> None:
        """Queue the questions that bring an account up to date."""
        self._awaiting_verdict.add(account)
        self._ask_history(account, moment)
        self._sync.ask_positions(account)
        self._sync.ask_orders(account)

    def _ask_history(self, account: str, moment: datetime) -> None:
        known = self._posting.accounts.get(account)
        # A sync that lies ahead was dated by a clock that was wrong, and says nothing about when it was.
        if known is not None and known.last_sync_at is not None and known.last_sync_at <= moment:
            start = known.last_sync_at - _HISTORY_MARGIN
        else:
            start = moment - timedelta(days=self._history_days)
        start = whole_hour(start)
        self._sync.ask_history(account, start, days=(moment - start).days + 1)

    def next_deadline(self) -> float | None:
        """Return when the next account is to be asked about again."""
        return min(self._recheck_at.values(), default=None)

    def tick(self, now: float, moment: datetime) -> None:
        """Ask again about every account whose quiet period has passed."""
        for account in [name for name, due in self._recheck_at.items() if now >= due]:
            self._forget_recheck(account)
            if account in self._second_look:
                self._second_look.discard(account)
                self._being_rechecked.add(account)
            self._ask_history(account, moment)
            self._sync.ask_positions(account)

    def note_fills(self, keys: Collection[PositionKey], now: float) -> None:
        """Remember that quantities changed: they are unconfirmed until the server says the same."""
        self._unconfirmed.update(keys)
        for account in {key.account for key in keys}:
            self._recheck_later(account, now)
            if self._looks[account] < _LOOKS_MAX:
                # What was asked before these fills cannot convict what is held after them.
                self._looks[account] += 1
                self._being_rechecked.discard(account)
        self._forget_agreements(keys)

    def _forget_agreements(self, keys: Iterable[PositionKey]) -> None:
        """Forget what the server agreed with before these were booked, even where a quantity comes back to it."""
        for key in keys:
            self._agreed_now.discard(key)
            known = self._verifications.get(key)
            if known is not None and known.agreed_quantity is not None:
                self._verifications[key] = evolve(known, agreed_quantity=None)

    def history_ended(self, ended: Ended, moment: datetime, *, follows: Callable[[str], bool]) -> list[Update]:
        """Book what a whole batch of history says of the accounts followed; note it where it did not come."""
        updates = self._note(ended)
        self._told_history.discard(ended.account)
        if ended.outcome is not Outcome.COMPLETE:
            return updates
        self._told_history.add(ended.account)
        news = news_of(ended.history, account=ended.account, known=self._repository.history_digests(ended.account))
        fills = [fill for fill in news.fills if follows(fill.account)]
        posted = self._posting.post_history(ended.account, fills, now=moment)
        self._forget_agreements(last_fills(posted))
        updates += posted
        updates += self._gaps.look(ended.account, fills, contacts=self._contacts)
        is_settled = len(fills) == len(news.fills) and not news.unusable and not self._gaps.are_in(ended.account)
        if news.digests and is_settled:
            self._repository.put_history_digests(ended.account, news.digests, oldest=news.oldest)
        account = self._posting.accounts[ended.account]
        self._posting.put_account(evolve(account, last_sync_at=moment))
        for reason in news.unusable:
            updates.append(AlertUpdate(kind="unusable", text=f"history of {ended.account}: skipped {reason}"))
        return updates

    def positions_ended(self, ended: Ended, now: float, moment: datetime) -> list[Update]:
        """Compare a whole snapshot of one account; note it where it did not come."""
        updates = self._note(ended)
        account = self._posting.accounts[ended.account]
        if ended.outcome is not Outcome.COMPLETE:
            self._being_rechecked.discard(ended.account)
            self._awaiting_verdict.discard(ended.account)
            self._posting.put_account(evolve(account, sync_outcome=ended.words))
            return updates
        reported = {report.symbol: report for report in by_symbol(ended.reported, ended.account)}
        held = {key.symbol: each for key, each in self._posting.positions.items() if key.account == ended.account}
        is_trusted = account.snapshots_trusted or _confirms(held, reported)
        absent = set() if is_trusted else held.keys() - reported.keys()
        broken = {key.symbol for key in self._breaks if key.account == ended.account}
        symbols = sorted((held.keys() | reported.keys() | broken) - absent)
        found = reconcile(
            {position.key: position for position in held.values()},
            reported.values(),
            modes={account.account: account.mode},
            trusted=[account.account] if is_trusted else [],
            instruments=self._posting.instruments,
            found_at=moment,
        )
        differing = {each.key.symbol for each in found}
        if differing and ended.account not in self._being_rechecked:
            # One more whole answer before any verdict: an execution may be on its way.
            self._second_look.add(ended.account)
            self._recheck_at.setdefault(ended.account, now)
            return updates
        self._being_rechecked.discard(ended.account)
        self._awaiting_verdict.discard(ended.account)
        self._looks.pop(ended.account, None)
        for symbol in symbols:
            if symbol in differing:
                updates += self._differs(account.account, symbol, held.get(symbol), reported.get(symbol), moment)
            else:
                updates += self._agrees(self._posting.key_of(account.account, symbol), held.get(symbol), moment)
                self._widen(held.get(symbol), reported.get(symbol))
        for symbol in sorted(absent):
            self._verify(self._posting.key_of(account.account, symbol), None, moment, outcome=_NOT_IN_SNAPSHOT)
        done = evolve(self._posting.accounts[ended.account], snapshots_trusted=is_trusted, sync_outcome=ended.words)
        self._posting.put_account(done)
        return updates

    def stated(self, report: ReportedPosition, now: float, moment: datetime) -> list[Update]:
        """Take a position the server states unasked: agreement proves ours, a difference is asked about."""
        key = self._posting.key_of(report.account, report.symbol)
        held = self._posting.positions.get(key)
        instrument = self._posting.instruments.get(report.symbol)
        if compare(key, held, report, instrument=instrument, found_at=moment) is None:
            self._unconfirmed.discard(key)
            is_open = any(other.account == report.account for other in self._unconfirmed)
            if not is_open and report.account not in self._awaiting_verdict:
                self._forget_recheck(report.account)
            self._widen(held, report)
            return self._agrees(key, held, moment)
        if report.account not in self._recheck_at:
            self._recheck_later(report.account, now)
        return []

    def _recheck_later(self, account: str, now: float) -> None:
        """Ask again after a quiet period; activity puts it off, but not for ever."""
        since = self._recheck_since.setdefault(account, now)
        self._recheck_at[account] = min(now + QUIET_S, since + _QUIET_S_MAX)

    def _forget_recheck(self, account: str) -> None:
        self._recheck_at.pop(account, None)
        self._recheck_since.pop(account, None)

    def _note(self, ended: Ended) -> list[Update]:
        if ended.outcome is Outcome.COMPLETE:
            self.unfinished.pop((ended.account, ended.topic), None)
            return []
        self.unfinished[ended.account, ended.topic] = f"{ended.account}: {ended.words}"
        return [AlertUpdate(kind="sync", text=f"account {ended.account}: {ended.words}")]

    def _differs(
        self, account: str, symbol: str, held: Position | None, report: ReportedPosition | None, moment: datetime
    ) -> list[Update]:
        if (account, symbol) not in self._contacts and report is not None:
            return self._take_over(report, moment)
        key = self._posting.key_of(account, symbol)
        instrument = self._posting.instruments.get(symbol)
        found = compare(key, held, report, instrument=instrument, found_at=moment)
        assert found is not None
        kept = self._kept.get(key)
        if kept is not None and _same_break(kept, found):
            self._verify(key, None, moment, outcome=kept_words(kept))
            return []
        before = self._breaks.get(key)
        if before is not None and _same_break(before, found):
            return [BreakUpdate(break_=before)]
        if account in self._told_history and self._guesses(account, symbol):
            flat = ReportedPosition(account=account, symbol=symbol, signed_quantity=ZERO, average_price=None)
            return self._take_over(report or flat, moment)
        if before is not None and before.id is not None:
            self._repository.answer_break(before.id, "superseded", moment)
        self._breaks[key] = evolve(found, id=self._repository.add_break(found))
        self._verify(key, None, moment, outcome="differs")
        self._journal(key, moment, "break", f"{found.kind}: held {found.held_quantity:f}", report)
        return [BreakUpdate(break_=self._breaks[key]), *self._answered(self._breaks[key], moment)]

    def _answered(self, found: Break, moment: datetime) -> list[Update]:
        """Carry out the policy chosen for breaks, where it does more than report them."""
        answer = _ANSWERS.get(self._policy)
        if answer is None or (answer is Answer.CLOSE and found.kind != "missing_there"):
            return []
        if answer is Answer.ADOPT and found.kind == "average_price":
            # No adjustment of lots makes one average into another.
            return []
        updates = answer_break(
            self._repository,
            self._posting,
            found,
            answer,
            price=self._close_price,
            reason=f"policy {self._policy}",
            moment=moment,
        )
        self.reload()
        return updates

    def _take_over(self, report: ReportedPosition, moment: datetime) -> list[Update]:
        """First contact: carry in what the server holds and the known fills do not explain."""
        account, symbol = report.account, report.symbol
        is_guess = account not in self._told_history
        updates: list[Update] = []
        for guess in [] if is_guess else self._guesses(account, symbol):
            void = guess._replace(is_void=True, reason="withdrawn: history tells the executions behind it")
            updates += self._posting.post_correction(guess, void, now=moment)[1]
        # The server's clock may be behind ours, and the fills it will tell of come after lots that were there before.
        before = report.entry_time or moment - _HISTORY_MARGIN
        carried = carried_in(report, self._repository.fills_of_key(account, symbol, after=None), now=before)
        if carried is not None:
            if is_guess:
                guess_id = synthetic_id(_GUESSED, carried.execution_id)
                carried = carried._replace(execution_id=guess_id, flags=(*carried.flags, _GUESSED))
            updates += self._posting.post_entry(carried, now=moment)
            updates.append(_announced(carried, self._posting.key_of(account, symbol)))
        key = self._posting.key_of(report.account, report.symbol)
        return updates + self._agrees(key, self._posting.positions.get(key), moment)

    def _guesses(self, account: str, symbol: str) -> list[Fill]:
        return [fill for fill in self._repository.fills_of_key(account, symbol, after=None) if _GUESSED in fill.flags]

    def _agrees(self, key: PositionKey, held: Position | None, moment: datetime) -> list[Update]:
        self._meet(key, moment)
        self._unconfirmed.discard(key)
        updates: list[Update] = []
        kept = self._kept.pop(key, None)
        if kept is not None and kept.id is not None:
            self._repository.end_keep(kept.id)
        broken = self._breaks.pop(key, None)
        if broken is not None and broken.id is not None:
            self._repository.answer_break(broken.id, _AGREED, moment)
            self._journal(key, moment, "break resolved", _AGREED, None)
            updates.append(BreakUpdate(break_=evolve(broken, answer=_AGREED, answered_at=moment), is_resolved=True))
        if held is None:
            return updates
        self._verify(key, held, moment, outcome=_AGREED)
        if key not in self._agreed_now:
            self._agreed_now.add(key)
            updates.append(VerifiedUpdate(key=key, quantity=held.signed_quantity, at=moment))
        return updates

    def _widen(self, held: Position | None, report: ReportedPosition | None) -> None:
        """Take over the prices the server saw while we were away."""
        if held is None or report is None:
            return
        instrument = self._posting.instruments.get(held.key.symbol)
        factor = Decimal(1) if instrument is None else instrument.multiplier
        low = None if report.low_price is None else report.low_price * factor
        high = None if report.high_price is None else report.high_price * factor
        after = widened(held, low, high)
        if after is not held:
            self._posting.widen([after])

    def _meet(self, key: PositionKey, moment: datetime) -> None:
        if (key.account, key.symbol) not in self._contacts:
            self._contacts.add((key.account, key.symbol))
            self._repository.add_contact(key.account, key.symbol, moment)

    def _verify(self, key: PositionKey, held: Position | None, moment: datetime, *, outcome: str) -> None:
        before = self._verifications.get(key) or Verification(key=key)
        after = evolve(before, compared_at=moment, outcome=outcome)
        if held is not None:
            after = evolve(after, agreed_quantity=held.signed_quantity, agreed_at=moment)
        self._verifications[key] = after
        self._repository.put_verification(after)

    def _journal(
        self, key: PositionKey, moment: datetime, cause: str, before: str, report: ReportedPosition | None
    ) -> None:
        after = "" if report is None else f"the server states {report.signed_quantity:f}"
        entry = JournalEntry(at=moment, cause=cause, account=key.account, symbol=key.symbol, before=before, after=after)
        self._repository.add_journal([entry])


def _confirms(held: Mapping[str, Position], reported: Mapping[str, ReportedPosition]) -> bool:
    return any(
        symbol in reported and reported[symbol].signed_quantity == position.signed_quantity
        for symbol, position in held.items()
    )


def _same_break(left: Break, right: Break) -> bool:
    return (left.kind, left.held_quantity, left.reported_quantity) == (
        right.kind,
        right.held_quantity,
        right.reported_quantity,
    )


def _announced(carried: Fill, key: PositionKey) -> AlertUpdate:
    price = "at an unknown price" if carried.price is None else f"@ {carried.price:f}"
    text = f"carried in {carried.signed_quantity:+f} {carried.symbol} {price}: opened before the history we were given"
    return AlertUpdate(kind="carried", text=text, key=key)
