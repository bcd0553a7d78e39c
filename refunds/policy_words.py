"""政策条款的话: every term of a version in words, and what differs between two of them. For the desk and for buyers.

Texts come in the reader's language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from money import yuan
from refunds.guides import slot_guides
from refunds.models import Status
from refunds.reading import localized
from refunds.reasons import REASONS
from shops.models import ProductKind, RefundPolicy
from shops.policy_terms import CLOCKED, KINDS, SLOTS, USUAL, ReasonTerms

AT_FAULT = {"shop": _("商家"), "platform": _("平台"), "buyer": _("买家"), "nobody": _("审核认定")}
ONLY = {"": _("不限"), "undelivered": _("仅未交付"), "delivered": _("仅已交付"), "unseen": _("仅未查看卡密")}
Say = Callable[[Any], str]


@dataclass(frozen=True)
class Term:
    """One term of a version. ``key`` says the same thing in every version; ``of`` is the group it stands in."""

    key: str
    of: str
    title: str
    words: str


@dataclass(frozen=True)
class Difference:
    """``before`` or ``after`` says so where that version has no such term."""

    key: str
    of: str
    title: str
    before: str
    after: str


def terms(policy: RefundPolicy) -> list[Term]:
    """All that a version says, in the order in which people read it."""
    return [*_numbers(policy), *_kinds(policy), *_reasons(policy)]


def differences(before: RefundPolicy, after: RefundPolicy) -> list[Difference]:
    """What ``after`` says otherwise than ``before``, term by term: nothing else. Of a reason that cannot be given any
    more, that alone."""
    was, now = {term.key: term for term in terms(before)}, {term.key: term for term in terms(after)}
    gone = [key for key in was if key not in now and f"{key.partition('.')[0]}.taken" not in was]
    found = []
    for key in [*now, *gone]:
        old, new = was.get(key), now.get(key)
        said, says = old.words if old else gettext("未规定"), new.words if new else gettext("未规定")
        told = new or old
        if said != says and told is not None:
            found.append(Difference(key, told.of, told.title, said, says))
    return found


def kind_name(kind: str) -> str:
    return str(ProductKind(kind).label)


def reason_name(code: str) -> str:
    reason = REASONS[code]
    return localized(reason.title, reason.title_en)


def slot_name(slot: str) -> str:
    return next((guide.title for guide in slot_guides([slot])), slot)


# --- numbers and switches ---------------------------------------------------------------------------------------------


def _days(count: int) -> str:
    return gettext("%(count)d 天") % {"count": count}


def _hours(count: int) -> str:
    return gettext("%(count)d 小时") % {"count": count}


def _times(count: int) -> str:
    return gettext("%(count)d 次") % {"count": count}


def _percent(share: int) -> str:
    return f"{share}%"


def _yes_or_no(value: bool) -> str:
    return gettext("是") if value else gettext("否")


def _window(days: int) -> str:
    return _days(days) if days else gettext("交付后不支持退款")


def _express(fen: int) -> str:
    return yuan(fen) if fen else gettext("不开通")


WHEN, LANES, FEES, DEADLINES, PEOPLE = _("申请条件"), _("自动退款"), _("费用与违约金"), _("期限"), _("审批与查看")
NUMBERS: list[tuple[Promise, list[tuple[str, Promise, Say]]]] = [
    (
        WHEN,
        [
            ("window_days", _("售后期（自交付起）"), _window),
            ("cooling_off_hours", _("冷静期（自下单起）"), _hours),
            ("max_rejections", _("同一订单最多被拒"), _times),
        ],
    ),
    (
        LANES,
        [
            ("one_click_below_fen", _("一键退款：低于"), yuan),
            ("one_click_daily_cap_fen", _("一键退款：每位买家每 24 小时"), yuan),
            ("express_below_fen", _("极速退款：低于"), _express),
            ("express_clean_days", _("极速退款：要求无被拒记录"), _days),
            ("express_needs_no_record", _("极速退款：要求从未退过款"), _yes_or_no),
            ("late_refund_is_automatic", _("超过承诺一倍时自动退款"), _yes_or_no),
        ],
    ),
    (
        FEES,
        [
            ("fee_percent", _("买家原因的手续费"), _percent),
            ("balance_fee_percent", _("退至余额的手续费（买家原因）"), _percent),
            ("shop_cancel_penalty_percent", _("商家原因取消的违约金"), _percent),
        ],
    ),
    (
        DEADLINES,
        [
            ("merchant_hours", _("商家处理"), _hours),
            ("review_hours", _("人工审核"), _hours),
            ("complete_review_hours", _("材料齐全时的审核"), _hours),
            ("high_value_review_hours", _("超过审批线或须第三方核实时的审核"), _hours),
            ("cross_border_extra_hours", _("跨境商品另加"), _hours),
            ("second_review_hours", _("复核时限"), _hours),
            ("appeal_review_hours", _("申诉审核时限"), _hours),
            ("evidence_hours", _("补充材料"), _hours),
            ("offer_hours", _("答复协商方案"), _hours),
            ("consult_hours", _("第三方核实"), _hours),
            ("release_hours", _("放款时限"), _hours),
            ("decide_within_days", _("最迟有结论"), _days),
            ("appeal_days", _("申诉期"), _days),
            ("urge_after_hours", _("多久后可催办"), _hours),
            ("urge_every_hours", _("两次催办间隔"), _hours),
            ("silent_shop_after", _("商家 30 天内逾期几次后不再等待"), _times),
            ("evidence_after_hours", _("交付多久后须附凭证"), _hours),
            ("complete_after_days", _("交付后自动完成"), _days),
        ],
    ),
    (
        PEOPLE,
        [
            ("senior_above_fen", _("两人审批：超过"), yuan),
            ("step_up_from_fen", _("查看卡密前再次验证：满"), yuan),
        ],
    ),
]


def _numbers(policy: RefundPolicy) -> Iterator[Term]:
    for group, rows in NUMBERS:
        for column, title, say in rows:
            yield Term(column, str(group), str(title), say(getattr(policy, column)))
    yield Term("working_time", str(DEADLINES), gettext("按工作日计时"), _clocked(policy.working_time))


# --- by kind of goods, by reason --------------------------------------------------------------------------------------


def _kinds(policy: RefundPolicy) -> Iterator[Term]:
    """Only what a kind has of its own: all else is as for all goods."""
    for kind in KINDS:
        own = policy.kinds.get(kind, {})
        group = gettext("%(kind)s类商品") % {"kind": kind_name(kind)}
        if "window_days" in own:
            yield Term(f"{kind}.window", group, gettext("售后期"), _window(own["window_days"]))
        if "cooling_off_hours" in own:
            yield Term(f"{kind}.cooling_off", group, gettext("冷静期"), _hours(own["cooling_off_hours"]))
        if own.get("slots"):
            yield Term(f"{kind}.slots", group, gettext("另附凭证"), _slots(own["slots"]))


def _reasons(policy: RefundPolicy) -> Iterator[Term]:
    for code in (usual.reason for usual in USUAL):
        row = policy.reason(code)
        group = gettext("原因“%(reason)s”") % {"reason": reason_name(code)}
        yield Term(f"{code}.taken", group, gettext("可以选择"), _yes_or_no(row is not None))
        for name, title, words in _of_reason(row) if row else []:
            yield Term(f"{code}.{name}", group, title, words)


def _of_reason(row: ReasonTerms) -> list[tuple[str, str, str]]:
    kinds = gettext("、").join(kind_name(kind) for kind in KINDS if kind in row.kinds)
    return [
        ("at_fault", gettext("责任方"), str(AT_FAULT[row.at_fault])),
        ("kinds", gettext("适用商品"), kinds or gettext("全部商品")),
        ("only", gettext("适用状态"), str(ONLY[row.only])),
        ("slots", gettext("须附凭证"), _slots(row.slots)),
        ("skips_merchant", gettext("不经商家，直接审核"), _yes_or_no(row.skips_merchant)),
    ]


def _clocked(statuses: Sequence[str]) -> str:
    return gettext("、").join(clocked_name(name) for name in CLOCKED if name in statuses) or gettext("都按自然时间")


def clocked_name(status: str) -> str:
    """A stage whose hours may count on working days alone."""
    return str(Status(status).label)


def _slots(slots: Sequence[str]) -> str:
    return gettext("、").join(slot_name(slot) for slot in SLOTS if slot in slots) or gettext("无")
