"""不变量: what must be true of the books at every commit (docs/rules.md).

One function for each; it returns what is broken, a line each, and nothing if all is well. Tests, chaos runs and
``manage.py invariants`` ask the same questions. I14 and I15 are about calls and texts, not about rows: tests prove
them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cardshop.invariants.asking import Broken
from cardshop.invariants.balances import (
    credits_are_posted,
    credits_fit_payments,
    only_a_signature_leads_to_another_account,
    only_the_buyers_choice_leads_to_the_balance,
)
from cardshop.invariants.books import check_against_books
from cardshop.invariants.cases import (
    each_case_is_paid_once,
    moving_things_have_owners,
    only_listed_steps_were_taken,
    parts_sum_up,
    who_decides_is_somebody_else,
)
from cardshop.invariants.goods import (
    codes_are_where_they_say,
    codes_moved_by_the_table,
    late_topups_lie_with_people,
    paid_orders_go_on,
    reservations_agree,
)
from cardshop.invariants.money import (
    ledger_says_the_same,
    numbers_are_used_once,
    postings_balance,
    refunds_fit_payments,
)
from cardshop.invariants.payouts import payouts_pay_each_line_once
from cardshop.invariants.record import append_only_tables_are_guarded, chains_verify, rows_are_what_their_events_say
from cardshop.invariants.shops import (
    checkpoints_are_what_was_posted,
    compensation_is_posted_once,
    fees_were_earned,
    held_money_belongs_to_cases,
    nobody_is_below_nothing,
    penalties_are_posted_once,
    settled_money_is_that_of_orders,
    settled_orders_are_posted_once,
    unsettled_money_is_that_of_orders,
)
from cardshop.invariants.transfers import balances_are_what_moved_them, transfers_agree_with_the_ledger

Check = Callable[[], Broken]

INVARIANTS: dict[str, tuple[Check, ...]] = {
    "I1": (refunds_fit_payments, credits_fit_payments),
    "I2": (ledger_says_the_same,),
    "I3": (numbers_are_used_once,),
    "I4": (moving_things_have_owners, paid_orders_go_on, late_topups_lie_with_people),
    "I5": (only_listed_steps_were_taken,),
    "I6": (
        postings_balance,
        credits_are_posted,
        checkpoints_are_what_was_posted,
        nobody_is_below_nothing,
        transfers_agree_with_the_ledger,
        balances_are_what_moved_them,
    ),
    "I7": (append_only_tables_are_guarded, chains_verify),
    "I8": (rows_are_what_their_events_say,),
    "I9": (codes_are_where_they_say, codes_moved_by_the_table, reservations_agree),
    "I10": (who_decides_is_somebody_else,),
    "I11": (
        each_case_is_paid_once,
        payouts_pay_each_line_once,
        held_money_belongs_to_cases,
        unsettled_money_is_that_of_orders,
        settled_money_is_that_of_orders,
    ),
    "I12": (
        parts_sum_up,
        fees_were_earned,
        settled_orders_are_posted_once,
        penalties_are_posted_once,
        compensation_is_posted_once,
    ),
    "I13": (only_the_buyers_choice_leads_to_the_balance, only_a_signature_leads_to_another_account),
}


def broken(books: Mapping[str, Any] | None = None) -> Broken:
    """Everything that is broken; with a channel's ``books``, also where they and ours differ."""
    found = [f"{name}: {line}" for name, checks in INVARIANTS.items() for check in checks for line in check()]
    return found + (check_against_books(books) if books else [])
