"""Booking: pure functions from fills to positions, trades and breaks."""

from dtcpos.booking.book import Booking, book, classify, flat, fold, released_cost, split_commission
from dtcpos.booking.entries import adopted, carried_in, close_out, synthetic_id
from dtcpos.booking.instruments import assumed, defined, root_of, ruled
from dtcpos.booking.marks import mark, quiet_band, widened
from dtcpos.booking.order import arranged, natural, whole_second, within_second
from dtcpos.booking.profile import profile
from dtcpos.booking.reconcile import compare, reconcile
from dtcpos.booking.replay import Replay, replay
from dtcpos.exact import average_price, rounded_quotient, unrealized
from dtcpos.trust import FRESH_FOR_S, KEPT, standing

__all__ = [
    "FRESH_FOR_S",
    "KEPT",
    "Booking",
    "Replay",
    "adopted",
    "arranged",
    "assumed",
    "average_price",
    "book",
    "carried_in",
    "classify",
    "close_out",
    "compare",
    "defined",
    "flat",
    "fold",
    "mark",
    "natural",
    "profile",
    "quiet_band",
    "reconcile",
    "released_cost",
    "replay",
    "root_of",
    "rounded_quotient",
    "ruled",
    "split_commission",
    "standing",
    "synthetic_id",
    "unrealized",
    "whole_second",
    "widened",
    "within_second",
]
