"""退款政策 in words, made from a version's own numbers: page, download and product never say two things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from money import yuan
from orders.models import Order
from refunds.reading import localized
from shops.models import Fulfilment, Product, ProductKind, RecipientKind, RefundPolicy


@dataclass(frozen=True)
class Refundability:
    """可退、有条件、不可退: what a product's terms come to, in a word (B1). The icon and the word say it without color.

    ``requires`` is the sentence that says what the word asks of the buyer, where it asks for something.
    """

    word: str
    tone: str
    icon: str
    requires: str = ""


@dataclass(frozen=True)
class Section:
    title: str
    points: Sequence[str]


def refundability(product: Product) -> Refundability:
    """From the policy's own numbers, never from what a shop says of itself (B1). ``product`` comes with its policy."""
    policy, fulfilment = product.policy, product.fulfilment
    if policy.window_days == 0:
        return Refundability(_("不可退"), "bad", "ban", _("交付后不支持退款；未交付的订单仍可全额退款。"))  # PM18
    if fulfilment == Fulfilment.TOP_UP:
        return Refundability(
            _("有条件"), "attention", "info", _("充值提交前可全额退款；提交后等结果，到账的转人工审核。")
        )
    if fulfilment == Fulfilment.SERVICE:
        return Refundability(_("有条件"), "attention", "info", _("商家开始前可全额退款；开始后按进度和双方凭证审核。"))
    if product.price_fen < policy.one_click_below_fen:
        return Refundability(_("一键退款"), "good", "bolt", _one_click_requires(policy))
    if product.kind == ProductKind.ACCOUNT:  # whoever has seen it may have logged in: it cannot be sold again
        return Refundability(_("有条件"), "attention", "info", _("查看账号前可退；查看后须说明理由，由人工审核。"))
    return Refundability(_("可退"), "good", "shield")


def _one_click_requires(policy: RefundPolicy) -> str:
    limits = {"below": yuan(policy.one_click_below_fen), "cap": yuan(policy.one_click_daily_cap_fen)}
    return (
        _("一键退款的条件：卡密未查看、每单低于 %(below)s、24 小时内累计不超过 %(cap)s。查看过卡密的，转人工审核。")
        % limits
    )


def not_refundable(product: Product) -> list[str]:
    """不可退款情形, before paying and without a tap (S1-20)."""
    own = [line.strip() for line in product.not_refundable_note.splitlines() if line.strip()]
    return own + _wrong_recipient(product) + _not_refundable(product.policy)


def _wrong_recipient(product: Product) -> list[str]:
    """S3-1: what can be stopped is stopped; what has arrived elsewhere cannot be fetched back."""
    if product.recipient_kind == RecipientKind.NONE:
        return []
    return [_("充值号码或账号填错，且充值已提交的（未提交的可全额退款）。")]


def sections(policy: RefundPolicy) -> list[Section]:
    """The fixed sections, readable in three minutes (S4-28)."""
    return [
        Section(_("售后期"), _window(policy)),
        Section(_("自动退款"), _automatic(policy)),
        Section(_("无理由退款"), _cooling_off(policy)),
        Section(_("超时未交付"), _late(policy)),
        Section(_("费用与违约金"), _fees(policy)),
        Section(_("审核与放款时间"), _times(policy)),
        Section(_("到账时间"), _arrival()),
        Section(_("不可退款情形"), _not_refundable(policy)),
        Section(_("防骗提醒"), anti_phishing()),
    ]


def as_text(policy: RefundPolicy) -> str:
    """The same, to keep (S4-17)."""
    published = _("发布于 %(at)s") % {"at": f"{timezone.localtime(policy.published_at):%Y-%m-%d}"}
    lines = [f"{localized(policy.name, policy.name_en)} v{policy.version}", published, ""]
    for number, section in enumerate(sections(policy), start=1):
        lines += [f"{number}. {section.title}", *(f"   - {point}" for point in section.points), ""]
    return "\n".join(lines)


def of_order(order: Order) -> str:
    """The version that an order was placed under, and what its goods' page said then (S4-17, PM19)."""
    placed = {"no": order.order_no, "at": f"{timezone.localtime(order.placed_at):%Y-%m-%d %H:%M}"}
    lines = [_("订单 %(no)s，%(at)s 下单时适用的退款政策。之后的修改不影响本订单。") % placed, ""]
    pages = dict(order.lines.order_by("position").values_list("product_name", "product_page"))
    for name, page in pages.items():
        own = [note.strip() for note in str(page.get("not_refundable_note", "")).splitlines() if note.strip()]
        lines += [name, *(f"   - {note}" for note in own), ""] if own else []
    return "\n".join(lines) + "\n" + as_text(order.policy)


def anti_phishing() -> list[str]:
    """S4-20, S4-28."""
    return [
        _("退款只在本站“退款”页办理。客服不会发站外链接，不会加私人微信办理。"),
        _("退款永远不需要您的密码、短信验证码、银行卡号或转账。索要的都是诈骗。"),
        _("遇到诈骗请拨打 110 或反诈专线 96110，并在本站联系客服核实。"),
    ]


def _window(policy: RefundPolicy) -> list[str]:
    undelivered = _("未发货的订单不受售后期限制，可随时申请全额退款。")
    if policy.window_days == 0:
        return [_("交付后不支持退款，购买前已注明。"), undelivered]
    return [_("自交付起 %(days)d 天内可申请退款。") % {"days": policy.window_days}, undelivered]


def _automatic(policy: RefundPolicy) -> list[str]:
    points = [_("未发货：系统核对后自动全额原路退回，金额不限。")]
    if policy.window_days:
        limits = {
            "below": yuan(policy.one_click_below_fen),
            "cap": yuan(policy.one_click_daily_cap_fen),
        }
        points.append(
            _("一键退款：低于 %(below)s 且卡密从未查看，自动退款，无需凭证；每人每 24 小时不超过 %(cap)s。") % limits
        )
    return points


def _cooling_off(policy: RefundPolicy) -> list[str]:
    if policy.window_days == 0:
        return [_("本商品没有无理由退款期。")]
    limits = {"hours": policy.cooling_off_hours}
    return [_("下单后 %(hours)d 小时内、卡密未查看的，选择“不想要了”即可，无需说明理由。") % limits]


def _late(policy: RefundPolicy) -> list[str]:
    one_tap = _("超过承诺的交付时间仍未交付，您可以在订单页一键取消，全额原路退回。")
    if policy.late_refund_is_automatic:
        by_itself = _("超过承诺时间的一倍，系统自动取消并退款，您不用做任何事。")
    else:
        by_itself = _("本政策下系统不会自动取消，等多久由您决定。")
    return [one_tap, by_itself, _("充值已提交或服务已开始的，先等结果；失败或商家交不出，同样全额退回。")]


def _fees(policy: RefundPolicy) -> list[str]:
    percent = policy.shop_cancel_penalty_percent
    points = [
        _("原路退回不收任何手续费：审核通过的金额是多少，退回就是多少。"),
        _("多件商品部分退款时，按每件实付金额计算，精确到分，不会多退也不会少退。"),
        _("买家取消不收取消费。"),
    ]
    if percent:
        said = _("商家原因取消的（缺货、超时、交付失败），商家须另付取消金额的 %(percent)d%% 作违约金，取消时即记录。")
        points.append(said % {"percent": percent})
    return points


def _times(policy: RefundPolicy) -> list[str]:
    return [
        _("系统初审：通常几秒，最迟 2 小时。"),
        _("人工审核：%(hours)d 小时内给出结果，超时自动升级给高级审核员。") % {"hours": policy.review_hours},
        _("补充材料：您有 %(hours)d 小时；到期按现有材料审核，不会因此直接拒绝。") % {"hours": policy.evidence_hours},
        _("放款：自动通过的 2 小时内，人工通过的 24 小时内。"),
        _("同一订单最多被拒 %(most)d 次，每次都会说明理由。") % {"most": policy.max_rejections},
    ]


def _arrival() -> list[str]:
    return [
        _("款项原路退回您付款的账户：微信零钱、支付宝余额通常几分钟，银行卡 1–3 个工作日。"),
        _("放款以前是我们的时间，放款以后是支付渠道和银行的清算时间；进度页会分别写明。"),
    ]


def _not_refundable(policy: RefundPolicy) -> list[str]:
    if policy.window_days == 0:
        return [_("已交付的商品（购买前已注明）。")]
    return [
        _("卡密已兑换、充值已到账或会员已使用，且我们有记录为证。"),
        _("交付已超过 %(days)d 天。") % {"days": policy.window_days},
        _("卡密过了自己的有效期（不自动退款，由人工审核）。"),
        _("您自己的设备或网络原因造成的无法使用。"),
    ]
