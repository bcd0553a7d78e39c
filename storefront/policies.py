"""退款政策 at a glance: a product's badge, what of it cannot be refunded, and the policy as a text to keep.

The words of the policy itself are made in ``terms.py``, from a version's own numbers: page, download and product never
say two things.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from money import yuan
from orders import agreement
from orders.models import Order
from refunds.reading import localized
from shops.models import Fulfilment, Product, ProductKind, RecipientKind, RefundPolicy
from storefront import terms
from storefront.terms import Section


@dataclass(frozen=True)
class Refundability:
    """极速退款、一键退款、可退、有条件、不可退: what a product's terms come to, in a word (B1). Icon and word say it
    without color.

    ``requires`` is the sentence that says what the word asks of the buyer, where it asks for something; ``window_days``
    what the policy says of goods of this kind.
    """

    word: str
    tone: str
    icon: str
    window_days: int
    requires: str = ""


def usual() -> RefundPolicy | None:
    """The newest published version of the policy that most goods are under, for whoever has no order yet."""
    rows = RefundPolicy.objects.filter(published_at__isnull=False).annotate(goods=Count("products"))
    return rows.order_by("-goods", "-published_at", "-pk").first()


def refundability(product: Product) -> Refundability:
    """From the policy's own numbers, never from what a shop says of itself (B1). ``product`` comes with its policy."""
    policy, fulfilment = product.policy, product.fulfilment
    days, fee = policy.window_of(product.kind), terms.fee(policy)
    if days == 0:
        return Refundability(_("不可退"), "bad", "ban", 0, _("交付后不支持退款；未交付的订单仍可全额退款。"))  # PM18
    if fulfilment == Fulfilment.TOP_UP:
        return _conditional(days, _("充值提交前可全额退款；提交后等结果，到账的转人工审核。"))
    if fulfilment == Fulfilment.SERVICE:
        return _conditional(days, _("商家开始前可全额退款；开始后按进度和双方凭证审核。"), fee)
    if product.price_fen < policy.one_click_below_fen and product.price_fen <= policy.one_click_daily_cap_fen:
        return Refundability(_("一键退款"), "good", "bolt", days, terms.joined(_one_click_requires(policy), fee))
    if product.kind == ProductKind.ACCOUNT:  # whoever has seen it may have logged in: it cannot be sold again
        return _conditional(days, _("查看账号前可退；查看后须说明理由，由人工审核。"), fee)
    if product.price_fen < policy.express_below_fen:
        return Refundability(_("极速退款"), "good", "bolt", days, terms.joined(_express_requires(policy), fee))
    return _conditional(days, fee) if fee else Refundability(_("可退"), "good", "shield", days)


def _conditional(days: int, *requires: str) -> Refundability:
    return Refundability(_("有条件"), "attention", "info", days, terms.joined(*requires))


def _one_click_requires(policy: RefundPolicy) -> str:
    limits = {"below": yuan(policy.one_click_below_fen), "cap": yuan(policy.one_click_daily_cap_fen)}
    said = _("一键退款：卡密未查看、每单低于 %(below)s、24 小时内累计不超过 %(cap)s。") % limits
    return terms.joined(said, _otherwise_a_person())


def _express_requires(policy: RefundPolicy) -> str:
    limits = {"below": yuan(policy.express_below_fen), "record": terms.clean_record(policy)}
    said = _("极速退款：先开通并实名，卡密未查看，每单低于 %(below)s%(record)s。") % limits
    return terms.joined(said, _otherwise_a_person())


def _otherwise_a_person() -> str:
    """What the caps and a look at the code come to: never to a refusal."""
    return _("查看过卡密，或 24 小时内的自动退款额度用完的，转人工审核。")


def not_refundable(product: Product) -> list[str]:
    """不可退款情形, before paying and without a tap (S1-20)."""
    own = [line.strip() for line in product.not_refundable_note.splitlines() if line.strip()]
    return own + _wrong_recipient(product) + terms.not_refundable(product.policy, [product.kind])


def _wrong_recipient(product: Product) -> list[str]:
    """S3-1: what can be stopped is stopped; what has arrived elsewhere cannot be fetched back."""
    if product.recipient_kind == RecipientKind.NONE:
        return []
    return [_("充值号码或账号填错，且充值已提交的（未提交的可全额退款）。")]


# --- to keep ----------------------------------------------------------------------------------------------------------


def as_text(policy: RefundPolicy) -> str:
    """What the policy's page says, to keep (S4-17). Of a draft too."""
    head = [f"{localized(policy.name, policy.name_en)} v{policy.version}", published(policy), ""]
    return "\n".join([*head, *written(terms.sections(policy))])


def published(policy: RefundPolicy) -> str:
    """发布于 2026-11-22, or 草稿."""
    if policy.published_at is None:
        return _("草稿，尚未发布")
    return _("发布于 %(at)s") % {"at": f"{timezone.localtime(policy.published_at):%Y-%m-%d}"}


def written(sections: Sequence[Section]) -> Iterator[str]:
    """Numbered sections as lines of a text."""
    for number, section in enumerate(sections, start=1):
        yield f"{number}. {section.title}"
        yield from (f"   - {point}" for point in section.points)
        if section.table:
            yield f"   {' | '.join(section.table.heads)}"
            for row in section.table.rows:
                head = f"{row.head} ({row.note})" if row.note else row.head
                yield f"   * {' | '.join([head, *row.cells])}"
        yield ""


def of_order(order: Order) -> str:
    """The version that an order was placed under, and what its goods' page said then (S4-17, PM19)."""
    placed = {"no": order.order_no, "at": f"{timezone.localtime(order.placed_at):%Y-%m-%d %H:%M}"}
    lines = [_("订单 %(no)s，%(at)s 下单时适用的退款政策。之后的修改不影响本订单。") % placed]
    pages = dict(order.lines.order_by("position").values_list("product_name", "product_page"))
    if agreed := next((page[agreement.KEY] for page in pages.values() if agreement.KEY in page), None):
        lines.append(_("同时适用《用户协议》v%(version)d。") % {"version": agreed})
    lines.append("")
    for name, page in pages.items():
        own = [note.strip() for note in str(page.get("not_refundable_note", "")).splitlines() if note.strip()]
        lines += [name, *(f"   - {note}" for note in own), ""] if own else []
    return "\n".join(lines) + "\n" + as_text(order.policy)
