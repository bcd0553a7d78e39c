"""申请退款, step by step (B5): reason, what happened, how much and where to, check the answers, sent.

Each step is a page of its own and a module here, answered by a redirect, so that the way back is safe. What has been
answered is kept in the order's draft (``refunds/drafts.py``); a step that has nothing to ask is left out. The
pre-check's own answer stands on every page before anything is sent. ``way.py`` leads from one to the next.
"""

from storefront.applying.check import check_answers
from storefront.applying.material import show_material, show_picture
from storefront.applying.money import choose_money
from storefront.applying.one_tap import take_one_tap
from storefront.applying.reason import choose_reason

__all__ = ["check_answers", "choose_money", "choose_reason", "show_material", "show_picture", "take_one_tap"]
