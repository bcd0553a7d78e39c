"""Pure rules: may this be refunded, by which lane, how is it shared out, by when. No database, no clock.

The same rules answer the application page before submitting, the API, the pre-check and the reviewer's panel. Each
answer carries its reason, in the words that the buyer reads. What was decided on is kept as ``Facts`` and can be
decided again: under the terms of a draft that is how a policy is tried out (``simulation.py``).

``known.py`` says what is looked at; ``limits.py``, ``proofs.py``, ``doors.py`` and ``advice.py`` are the rules;
``deciding.py`` makes one verdict of their answers; ``fees.py`` is the money, ``hours.py`` the time.
"""

from refunds.policy.answers import RuleResult
from refunds.policy.deciding import TO_PEOPLE, Verdict, decide, weights
from refunds.policy.doors import has_clean_record
from refunds.policy.fees import Amounts, amounts, fee_of
from refunds.policy.hours import hours_to_review
from refunds.policy.known import Cap, Facts, Terms

__all__ = [
    "TO_PEOPLE", "Amounts", "Cap", "Facts", "RuleResult", "Terms", "Verdict", "amounts", "decide", "fee_of",
    "has_clean_record", "hours_to_review", "weights",
]  # fmt: skip
