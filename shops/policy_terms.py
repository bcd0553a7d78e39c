"""政策数据: what a policy says by kind of goods and by reason, as plain data that a version keeps.

``kinds``: {kind: {"window_days"?, "cooling_off_hours"?, "slots"?}}, each key replacing (slots: adding to) what holds
for all goods. ``reasons``: a list of {"reason", "at_fault", "kinds", "only", "slots", "skips_merchant"}; a reason that
is not in it cannot be given. The words for reasons and slots stand in ``refunds/reasons.py`` and ``refunds/guides.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

KINDS = ("card_code", "top_up", "membership", "activation_code", "account", "service")
AT_FAULT = ("shop", "platform", "buyer", "nobody")
ONLY = ("", "undelivered", "delivered", "unseen")
IDENTITY = "identity"  # of cross-border goods (S3-14)
SLOTS = (
    "not_arrived", "wrong_goods", "redeem_error", "login_error", "fault_screen", "wrong_number", "not_active",
    "channel_bill", "error_page", "situation", "unused", IDENTITY,
)  # fmt: skip
#: What may count on working days alone (statuses of ``refunds.models.Status``); nobody reviews on a day off.
CLOCKED = (
    "merchant_review", "first_review", "second_review", "appeal_review", "offered", "awaiting_evidence", "approved",
    "returned",
)  # fmt: skip


@dataclass(frozen=True)
class ReasonTerms:
    """One row of ``reasons``. ``kinds``: the goods it can be said of (empty: all); ``only``: one of ONLY."""

    reason: str
    at_fault: str
    kinds: tuple[str, ...] = ()
    only: str = ""
    slots: tuple[str, ...] = ()
    skips_merchant: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> ReasonTerms:
        return cls(
            row["reason"], row["at_fault"], tuple(row["kinds"]), row["only"], tuple(row["slots"]),
            row["skips_merchant"],
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"kinds": list(self.kinds), "slots": list(self.slots)}


CODES = ("card_code", "activation_code", "membership")
#: The list of the requirements.
USUAL = (
    ReasonTerms("undelivered", "shop", only="undelivered", skips_merchant=True),
    ReasonTerms("late", "shop", slots=("not_arrived",)),
    ReasonTerms("not_as_described", "shop", slots=("wrong_goods",)),
    ReasonTerms("invalid_code", "shop", kinds=CODES, only="delivered", slots=("redeem_error",)),
    ReasonTerms("cannot_log_in", "shop", kinds=("account", "membership"), only="delivered", slots=("login_error",)),
    ReasonTerms("malfunction", "shop", kinds=(*CODES, "account", "service"), slots=("fault_screen",)),
    ReasonTerms("wrong_top_up", "buyer", kinds=("top_up",), slots=("wrong_number",)),
    ReasonTerms(
        "not_activated", "shop", kinds=("activation_code", "membership"), only="delivered", slots=("not_active",)
    ),
    ReasonTerms("duplicate", "buyer", skips_merchant=True),
    ReasonTerms("payment_trouble", "platform", slots=("channel_bill",), skips_merchant=True),
    ReasonTerms("platform_fault", "platform", slots=("error_page",), skips_merchant=True),
    ReasonTerms("out_of_stock", "shop", only="undelivered", skips_merchant=True),
    ReasonTerms("changed_mind", "buyer", only="unseen"),
    ReasonTerms("other", "nobody", slots=("situation",)),
)


def usual_reasons() -> list[dict[str, Any]]:
    """``USUAL`` as a new policy has it."""
    return [row.as_json() for row in USUAL]


def usual_kinds() -> dict[str, dict[str, Any]]:
    """S0-5: whoever has seen an account or a membership shows that it was not used."""
    return {"account": {"slots": ["unused"]}, "membership": {"slots": ["unused"]}}


def usual_working_time() -> list[str]:
    """S0-11, S1-10: reviews and releases are promised in working days; buyers' and shops' own times are plain hours."""
    return ["first_review", "second_review", "appeal_review", "approved", "returned"]


def wrong_working_time(statuses: Any) -> str:
    """What is wrong with ``working_time``, for whoever edits it; empty if nothing is."""
    return "" if _is_list_of(statuses, CLOCKED) else _("没有这样的阶段。")


def wrong_kinds(kinds: Any) -> str:
    """What is wrong with ``kinds``, for whoever edits it; empty if nothing is."""
    if not isinstance(kinds, dict):
        return _("须是以商品类型为键的对象。")
    for kind, terms in kinds.items():
        where = {"where": f"{kind}"}
        if kind not in KINDS:
            return _("没有“%(where)s”这种商品。") % where
        if not isinstance(terms, dict) or set(terms) - {"window_days", "cooling_off_hours", "slots"}:
            return _("“%(where)s”只能有 window_days、cooling_off_hours 和 slots。") % where
        if not _is_number(terms.get("window_days", 0), 365) or not _is_number(terms.get("cooling_off_hours", 0), 8760):
            return _("“%(where)s”的天数须在 0 到 365 之间，小时须在 0 到 8760 之间。") % where
        if not _is_list_of(terms.get("slots", []), SLOTS):
            return _("“%(where)s”的凭证项不认识。") % where
    return ""


def wrong_reasons(reasons: Any) -> str:
    """What is wrong with ``reasons``, for whoever edits it; empty if nothing is."""
    known = [row.reason for row in USUAL]
    if not isinstance(reasons, list) or not all(isinstance(row, dict) for row in reasons):
        return _("须是一个列表，每行一个原因。")
    for row in reasons:
        where = {"where": f"{row.get('reason')}"}
        if set(row) != {"reason", "at_fault", "kinds", "only", "slots", "skips_merchant"}:
            return _("原因“%(where)s”须有且只有 reason、at_fault、kinds、only、slots、skips_merchant。") % where
        if row["reason"] not in known:
            return _("没有“%(where)s”这个原因。") % where
        if row["at_fault"] not in AT_FAULT or row["only"] not in ONLY or not isinstance(row["skips_merchant"], bool):
            return _("原因“%(where)s”的责任方、适用状态或是否跳过商家不对。") % where
        if not _is_list_of(row["kinds"], KINDS) or not _is_list_of(row["slots"], SLOTS):
            return _("原因“%(where)s”的商品类型或凭证项不认识。") % where
    given = [row["reason"] for row in reasons]
    if len(given) != len(set(given)) or "other" not in given or "undelivered" not in given:
        return _("每个原因只能有一行；“未发货”和“其他”不能少。")
    return ""


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _is_list_of(value: Any, known: tuple[str, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item in known for item in value)
