"""政策条款 in words: the fixed sections of a policy's page and file (S4-28), all of it from the version's own data.

Chinese and English are made by the same functions from the same numbers, so they cannot say two things. What follows
from a rule is asked of the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from money import yuan
from refunds import clocking, guides, policy, workdays
from refunds.policy_words import AT_FAULT
from refunds.reading import localized
from refunds.reasons import REASONS
from shops.models import ProductKind, RefundPolicy
from shops.policy_terms import KINDS, ReasonTerms
from storefront import standards

WORKED_FEN = 10_000  # of the fee's example
WITHOUT_CODES = {ProductKind.TOP_UP, ProductKind.SERVICE}


@dataclass(frozen=True)
class Row:
    """One row of a table: its head, what it is about in smaller letters, its cells."""

    head: str
    note: str
    cells: Sequence[str]


@dataclass(frozen=True)
class Table:
    heads: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Section:
    title: str
    points: Sequence[str]
    table: Table | None = None


def sections(terms: RefundPolicy) -> list[Section]:
    """The fixed sections, readable in three minutes (S4-28). ``terms`` may be a draft, saved or not."""
    return [
        Section(_("售后期"), _window(terms)),
        Section(_("无理由退款"), _cooling_off(terms)),
        Section(_("自动退款"), _automatic(terms)),
        Section(_("退款原因与凭证"), _evidence(terms), _reasons(terms)),
        Section(_("怎样算已使用"), _used(terms), _proofs() if _is_open(terms) else None),
        Section(_("费用与违约金"), _fees(terms)),
        Section(_("审核与放款时间"), _times(terms)),
        Section(_("多久到账"), _arrival()),
        Section(_("超时未交付"), _late(terms)),
        Section(_("不可退款情形"), not_refundable(terms, KINDS)),
        Section(_("防骗提醒"), anti_phishing()),
    ]


def anti_phishing() -> list[str]:
    """S4-20, S4-28."""
    return [
        _("退款只在本站“退款”页办理。客服不会发站外链接，不会加私人微信办理。"),
        _("退款永远不需要您的密码、短信验证码、银行卡号或转账。索要的都是诈骗。"),
        _("遇到诈骗请拨打 110 或反诈专线 96110，并在本站联系客服核实。"),
    ]


def not_refundable(terms: RefundPolicy, kinds: Sequence[str]) -> list[str]:
    """不可退款情形 for goods of these kinds."""
    open_kinds = [kind for kind in kinds if terms.window_of(kind)]
    shut = _names([kind for kind in kinds if kind not in open_kinds], of=kinds)
    points = [] if len(open_kinds) == len(kinds) else [_of(shut, _("已交付的商品（购买前已注明）。"))]
    if not open_kinds:
        return points
    windows = [
        _of(goods, _("交付已超过 %(days)d 天。") % {"days": days})
        for goods, days in _groups(terms.window_of, kinds)
        if days
    ]
    return [
        *points,
        _("卡密已兑换、充值已到账或会员已使用，且我们有记录为证。"),
        *windows,
        *([_("卡密过了自己的有效期（不自动退款，由人工审核）。")] if set(kinds) - WITHOUT_CODES else []),
        _("您自己的设备或网络原因造成的无法使用。"),
    ]


def windows(terms: RefundPolicy) -> list[str]:
    """售后期 by kinds of goods, those with the same days together."""
    return [_of(goods, _days(days)) for goods, days in _groups(terms.window_of, KINDS)]


def fee(terms: RefundPolicy) -> str:
    """What a buyer at fault pays; empty: nothing."""
    if not terms.fee_percent:
        return ""
    return _("因买家原因退款（已交付、未使用）收 %(percent)d%% 手续费。") % {"percent": terms.fee_percent}


def release(terms: RefundPolicy) -> str:
    """How long approved money waits, by who approved it (S2-11)."""
    hours = {"machine": clocking.AUTOMATIC_HOURS, "person": terms.release_hours}
    return _("放款：自动通过的 %(machine)d 小时内，人工通过的 %(person)d 小时内。") % hours


def arrival() -> str:
    """Wallets and cards as the channels themselves say it (S2-15)."""
    fewest, most = workdays.BANK_CARD_WORKDAYS
    said = {"fewest": fewest, "most": most}
    return _("款项原路退回您付款的账户：微信零钱、支付宝余额通常几分钟，银行卡 %(fewest)d–%(most)d 个工作日。") % said


def joined(*sentences: str) -> str:
    """One after the other, as the reader's language sets them."""
    return localized("", " ").join(sentence for sentence in sentences if sentence)


# --- the sections -----------------------------------------------------------------------------------------------------


def _window(terms: RefundPolicy) -> list[str]:
    points = windows(terms)
    points.append(_("未发货的订单不受售后期限制，可随时申请全额退款。"))
    if usual := next((kind for kind in KINDS if terms.window_of(kind)), ""):  # S3-23
        told = {"days": terms.window_of(usual), "late": standards.late_day(terms, usual)}
        points.append(_("例：售后期 %(days)d 天的商品，第 %(late)d 天才申请，不能退。") % told)
    completes = {"days": terms.complete_after_days}
    return [*points, _("交付 %(days)d 天后订单自动完成，不影响售后期。") % completes]


def _days(days: int) -> str:
    if days == 0:
        return _("交付后不支持退款，购买前已注明。")
    return _("自交付起 %(days)d 天内可申请退款。") % {"days": days}


def _cooling_off(terms: RefundPolicy) -> list[str]:
    """S2-13, S1-5."""
    groups = _groups(lambda kind: cooling_off(terms, kind), KINDS)
    points = [_of(goods, _free_of_reasons(hours)) for goods, hours in groups]
    if any(hours for _goods, hours in groups):
        points.append(_("过了冷静期须选一个原因；只是后悔的，没有使用才能退。"))
    return points


def cooling_off(terms: RefundPolicy, kind: str) -> int:
    """冷静期 in hours, as far as a buyer can make use of it."""
    is_open = terms.window_of(kind) and terms.reason("changed_mind")
    return terms.cooling_off_of(kind) if is_open else 0


def _free_of_reasons(hours: int) -> str:
    if hours == 0:
        return _("没有无理由退款期。")
    return _("下单后 %(hours)d 小时内、卡密未查看的，选“不想要了”即可，无需说明理由。") % {"hours": hours}


def _automatic(terms: RefundPolicy) -> list[str]:
    """What the machine approves, and when it does not: a person looks then, and nothing is lost (conflict 6)."""
    points = [_("未发货：系统核对后自动全额原路退回。")]
    if not _is_open(terms):
        return points
    if terms.one_click_below_fen:
        limits = {"below": yuan(terms.one_click_below_fen), "cap": yuan(terms.one_click_daily_cap_fen)}
        points.append(_("一键退款：低于 %(below)s、卡密从未查看，无需凭证；每人每 24 小时不超过 %(cap)s。") % limits)
    if terms.express_below_fen:
        points.append(
            _("极速退款：低于 %(below)s，须先开通并实名，卡密从未查看%(record)s。")
            % {"below": yuan(terms.express_below_fen), "record": clean_record(terms)}
        )
    points.append(_("查看过卡密、只退一部分、卡密过期，或 24 小时内的自动退款额度用完的，由人工审核，不影响退款。"))
    if terms.fee_percent:
        points.append(_("选商家或平台责任的也由人工核对，因为责任决定是否收手续费。"))
    return points


def clean_record(terms: RefundPolicy) -> str:
    """What the express lane asks of the buyer's past; begins with a comma, where it asks anything."""
    said = ""
    if terms.express_clean_days:
        said = _("，%(days)d 天内没有被拒的退款") % {"days": terms.express_clean_days}
    return said + (_("，从未退过款") if terms.express_needs_no_record else "")


def _evidence(terms: RefundPolicy) -> list[str]:
    """S1-1, S2-6, S3-14."""
    points = [_("基本条件：没有使用，且问题能够核实。")]
    if terms.evidence_after_hours:
        due = _("交付 %(hours)d 小时内不要求凭证，之后请附下表所列的截图。") % {"hours": terms.evidence_after_hours}
    else:
        due = _("申请时请附下表所列的截图。")
    points.append(joined(due, _("齐全的优先审核；缺少的可以补，不会因此直接拒绝。")))
    extra = {kind: terms.kinds.get(kind, {}).get("slots", []) for kind in KINDS}
    for slots in dict.fromkeys(tuple(slots) for slots in extra.values() if slots):
        goods = _names([kind for kind in KINDS if tuple(extra[kind]) == slots])
        points.append(_of(goods, _("另附%(pictures)s。") % {"pictures": _pictures(slots)}))
    points.append(_("跨境商品：另附身份证明，只露姓名和证件号后四位。"))
    return points


def _reasons(terms: RefundPolicy) -> Table:
    """退款原因: whose fault, which goods, what to show (S2-1, S3-6)."""
    rows = [_reason(ReasonTerms.of(row)) for row in terms.reasons]
    return Table([_("原因"), _("责任"), _("凭证")], rows)


def _reason(row: ReasonTerms) -> Row:
    words = REASONS[row.reason]
    at_fault = str(AT_FAULT[row.at_fault])
    only = {"undelivered": _("未交付"), "delivered": _("已交付"), "unseen": _("未查看")}.get(row.only, "")
    goods = _names(row.kinds) if row.kinds else _("全部商品")
    note = f"{goods} · {only}" if only else goods
    return Row(localized(words.title, words.title_en), note, [at_fault, _pictures(row.slots) or _("无需")])


def _used(terms: RefundPolicy) -> list[str]:
    """docs/rules.md, "What counts as used"; S0-21, S3-22, S4-13."""
    if not _is_open(terms):
        return [_("交付后不支持退款，不区分是否使用。")]
    partly = {"bought": standards.BOUGHT, "used": standards.USED, "left": standards.BOUGHT - standards.USED}
    trial = {"days": standards.TRIAL_DAYS, "used": standards.TRIAL_USED_DAYS}
    return [
        _("证明“已使用”是我们的事：拿不出记录，就以您的说明和凭证为准。"),
        _("查看过卡密不等于用过，只是转人工核对；发卡方记录显示在您查看之前已被兑换的，按未使用处理。"),
        _("按时间计的商品，开通即算已使用。例：%(days)d 天的会员用了 %(used)d 天，不因个人原因退款。") % trial,
        _("部分使用的，用过的不退。例：%(bought)d 张兑换了 %(used)d 张，其余 %(left)d 张按各自实付金额退。") % partly,
    ]


def _proofs() -> Table:
    """By kind of goods, as docs/rules.md has it (S0-1)."""
    kind = ProductKind
    rows = [
        ([kind.CARD_CODE, kind.ACTIVATION_CODE], _("在发卡方兑换"), _("发卡方签名的兑换记录，晚于您的查看")),
        ([kind.TOP_UP], _("充值到账"), _("供应商签名的到账结果")),
        ([kind.MEMBERSHIP], _("开通或使用"), _("开通、使用记录")),
        ([kind.ACCOUNT], _("登录过"), _("登录记录")),
        ([kind.SERVICE], _("已完成的进度"), _("双方留下的进度凭证")),
    ]
    return Table([_("商品"), _("已使用"), _("证明")], [Row(_names(kinds), "", [u, p]) for kinds, u, p in rows])


def _fees(terms: RefundPolicy) -> list[str]:
    """The arithmetic is that of ``policy.amounts`` (S4-5, S1-15, S2-10, S4-16)."""
    points = [_("原路退回不收渠道手续费；多件商品按每件实付金额计算，精确到分。")]
    if terms.fee_percent:
        points.append(joined(fee(terms), _worked(terms, to_balance=False)))
    else:
        points.append(_("买家原因退款也不收手续费。"))
    if terms.balance_fee_percent:
        percent = {"percent": terms.balance_fee_percent}
        if terms.fee_percent:
            said = _("自愿退到余额：在手续费之外另收 %(percent)d%%，提交前写明。") % percent
        else:
            said = _("自愿退到余额：收 %(percent)d%%，提交前写明。") % percent
        points.append(joined(said, _worked(terms, to_balance=True)))
    else:
        points.append(_("自愿退到余额：免费。"))
    points.append(_("商家或平台责任、未交付、订单取消的，一律不收手续费；买家取消不收取消费。"))
    if terms.shop_cancel_penalty_percent:
        said = _("商家原因取消的（缺货、超时、交付失败），商家须另付取消金额的 %(percent)d%% 作违约金，取消时即记录。")
        points.append(said % {"percent": terms.shop_cancel_penalty_percent})
    return points


def _worked(terms: RefundPolicy, *, to_balance: bool) -> str:
    """例: a refund of ¥100 through no fault but the buyer's."""
    reason = next((row["reason"] for row in terms.reasons if row["at_fault"] == "buyer"), "other")
    asked = standards.sample(terms, reason=reason, amount_fen=WORKED_FEN, to_balance=to_balance)
    amounts = policy.amounts(asked)
    told = {"asked": yuan(amounts.asked_fen), "fee": yuan(amounts.fee_fen), "refund": yuan(amounts.refund_fen)}
    return _("例：实付 %(asked)s − 手续费 %(fee)s = 退 %(refund)s。") % told


def _times(terms: RefundPolicy) -> list[str]:
    """S0-17, S2-11, S3-10, S3-14, as the rules count them."""
    usual, complete, abroad = (
        policy.hours_to_review(
            usual=terms.review_hours, complete=terms.complete_review_hours, high_value=terms.first_of_two_hours,
            extra=terms.cross_border_extra_hours, is_complete=is_complete, is_large=False, is_cross_border=is_abroad,
        )
        for is_complete, is_abroad in [(False, False), (True, False), (False, True)]
    )  # fmt: skip
    review = {"complete": complete, "usual": usual, "extra": abroad - usual}
    return [
        _("系统初审：通常几秒，最迟 %(hours)d 小时。") % {"hours": clocking.PRE_CHECK_HOURS},
        *_merchant(terms),
        _("人工审核：凭证齐全 %(complete)d 小时内，其他 %(usual)d 小时内，跨境另加 %(extra)d 小时。") % review,
        _counted(terms),
        _("超时自动升级给高级审核员，再晚由运营跟进；最迟 %(days)d 天有结论。") % {"days": terms.decide_within_days},
        _("合计超过 %(amount)s 的，由两位同事先后通过，最迟 %(hours)d 小时。")
        % {"amount": yuan(terms.senior_above_fen), "hours": _hours_of_two(terms)},
        _("协商：对提出的方案，您有 %(hours)d 小时答复；不接受或没有答复的，按原申请审核。")
        % {"hours": terms.offer_hours},
        _("补充材料：您有 %(hours)d 小时，审核计时暂停；到期按现有材料审核，不会因此直接拒绝。")
        % {"hours": terms.evidence_hours},
        _("超过 %(hours)d 小时没有结果，或承诺时间已过，可以催办，每 %(every)d 小时一次。")
        % {"hours": terms.urge_after_hours, "every": terms.urge_every_hours},
        _("未通过的，%(days)d 天内可申诉一次，由另一位高级审核员在 %(hours)d 小时内处理。")
        % {"days": terms.appeal_days, "hours": terms.appeal_review_hours},
        release(terms),
        _("同一订单最多被拒 %(most)d 次，每次都会说明理由；补齐材料可以再申请。") % {"most": terms.max_rejections},
    ]


def _merchant(terms: RefundPolicy) -> list[str]:
    """S4-9 … S4-11; a version that asks no shop says nothing."""
    if not terms.merchant_hours:
        return []
    hours = {"hours": f"{clocking.merchant_hours(terms, terms.review_hours):g}"}
    return [_("商家处理：须由商家答复的，商家有 %(hours)s 小时（含在审核时限内）；逾期不答，视为商家责任。") % hours]


def _hours_of_two(terms: RefundPolicy) -> int:
    """S2-8: the second look has its own time, after the first."""
    return max(terms.review_hours, terms.first_of_two_hours) + terms.second_review_hours


def _counted(terms: RefundPolicy) -> str:
    if "first_review" in terms.working_time:
        return _("审核、复核、申诉与放款按中国大陆工作日计时：一个工作日算 24 小时，休息日不计。")
    return _("审核时限按自然时间计，休息日照计。")


def _arrival() -> list[str]:
    return [
        arrival(),
        _("放款以前是我们的时间，放款以后是支付渠道和银行的清算时间；进度页会分别写明。"),
    ]


def _late(terms: RefundPolicy) -> list[str]:
    one_tap = _("超过承诺的交付时间仍未交付，您可以在订单页一键取消，全额原路退回。")
    if terms.late_refund_is_automatic:
        by_itself = _("超过承诺时间的一倍，系统自动取消并退款，您不用做任何事。")
    else:
        by_itself = _("本政策下系统不会自动取消，等多久由您决定。")
    return [one_tap, by_itself, _("充值已提交或服务已开始的，先等结果；失败或商家交不出，同样全额退回。")]


def _is_open(terms: RefundPolicy) -> bool:
    """Some goods can be given back after delivery."""
    return any(terms.window_of(kind) for kind in KINDS)


# --- kinds of goods ---------------------------------------------------------------------------------------------------


def _groups(number: Callable[[str], int], kinds: Sequence[str]) -> list[tuple[str, int]]:
    """[(goods, number)]: kinds with the same number together; without names where it is the same for all of them."""
    by_number: dict[int, list[str]] = {}
    for kind in kinds:
        by_number.setdefault(number(kind), []).append(kind)
    return [(_names(alike, of=kinds), count) for count, alike in by_number.items()]


def _names(kinds: Sequence[str], of: Sequence[str] = ()) -> str:
    """卡密、直充; empty where it is all ``of`` them."""
    if len(kinds) == len(of):
        return ""
    return _("、").join(str(ProductKind(kind).label) for kind in kinds)


def _of(goods: str, said: str) -> str:
    return _("%(goods)s：%(said)s") % {"goods": goods, "said": said} if goods else said


def _pictures(slots: Sequence[str]) -> str:
    return _("、").join(guide.title for guide in guides.slot_guides(slots))
