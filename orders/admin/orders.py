"""订单 on the staff desk: to look at, lines and codes' states beside it; never a code's text."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

import clock
from accounts.desk import ActsDesk, DeskInline, badge, link, log, me, money, page_url, staff_act, tone_badge, yuan
from orders import cancellation, compensating
from orders.admin.cancellations import CancelForm
from orders.admin.compensations import CompensateForm
from orders.cancellation import CannotCancel
from orders.compensating import CannotCompensate
from orders.models import Cause, Order, OrderLine, OrderStatus

TONES: dict[str, str] = {
    OrderStatus.PLACED: "attention",
    OrderStatus.PAID: "progress",
    OrderStatus.DELIVERED: "good",
    OrderStatus.COMPLETED: "good",
}


class LineInline(DeskInline):
    model = OrderLine
    fields = ("position", "product_name", "price", "code_state", "delivered_at")
    readonly_fields = fields

    price = money("price_fen", "实付")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderLine]:
        rows = super().get_queryset(request).select_related("delivery__code", "topup", "service").order_by("position")
        return rows.defer("product_page", "delivery__code__sealed")

    @admin.display(description="交付")
    def code_state(self, line: OrderLine) -> SafeString:
        """A code's state, or how a top-up or a service stands."""
        delivery = getattr(line, "delivery", None)
        work = getattr(line, "topup", None) or getattr(line, "service", None)
        if delivery and delivery.code:
            return badge(delivery.code.get_state_display())
        return badge(work.get_status_display() if work else "已交付" if delivery else "未发货")

    @admin.display(description="交付时间")
    def delivered_at(self, line: OrderLine) -> str:
        delivery = getattr(line, "delivery", None)
        return f"{timezone.localtime(delivery.delivered_at):%Y-%m-%d %H:%M:%S}" if delivery else "–"


@admin.register(Order)
class OrderDesk(ActsDesk):
    list_display = ("order_no", "buyer_name", "shop", "total", "state", "placed_at", "paid_at", "delivered_at")
    list_filter = ("status",)
    exact_search = ("order_no", "payments__payment_no", "buyer__username")
    search_help_text = "订单号 / 收款单号 / 买家账号"
    ordering = ("-pk",)
    list_select_related = ("buyer", "shop")
    fields = (
        ("order_no", "state"), ("buyer_name", "shop_link"), ("total", "policy_link"), ("placed_at", "expires_at"),
        ("paid_at", "delivered_at"), ("completed_at", "canceled_at"), ("settle_from", "settled_at", "settled"),
    )  # fmt: skip
    readonly_fields = ("buyer_name", "shop_link", "policy_link", "total", "state", "settled")
    inlines = (LineInline,)
    actions_detail = ("cancel", "compensate")

    def acts_of(self, row: Order) -> list[str]:
        acts = ["compensate"] if row.paid_at else []
        return ["cancel", *acts] if row.status == OrderStatus.PAID else acts

    @staff_act(CancelForm, title="取消订单", submit="确认取消", icon="cancel", danger=True, refused_by=(CannotCancel,))
    def cancel(self, request: HttpRequest, form: CancelForm, object_id: str) -> str:
        order, words = form.order, form.cleaned_data
        assert order  # a form without an order has refused already
        row = cancellation.cancel(
            order, cause=Cause(words["cause"]), by=me(request), at=clock.now(), reason=words["reason"].strip()
        )
        log(request, [order], f"取消订单：{Cause(row.cause).label}，{row.reason}")
        messages.success(request, f"已取消，{yuan(row.refund_fen)} 将自动原路退回买家。")
        return page_url(row)

    @staff_act(
        CompensateForm, title="平台赔付", submit="赔付", icon="volunteer_activism", refused_by=(CannotCompensate,)
    )  # fmt: skip
    def compensate(self, request: HttpRequest, form: CompensateForm, object_id: str) -> str:
        order, said = form.order, form.cleaned_data
        assert order  # a form without an order has refused already
        row = compensating.make(
            order, amount_fen=int(said["amount"] * 100), reason=said["reason"], refund_no=said["refund_no"],
            by=me(request), at=clock.now(), seen=said["seen"],
        )  # fmt: skip
        log(request, [order], f"平台赔付 {yuan(row.amount_fen)}：{row.reason}")
        done = "已存入买家余额" if row.paid_at else "超过审批线或一人一天独自赔付的上限，请另一位同事在“平台赔付”里复核"
        messages.success(request, f"{yuan(row.amount_fen)} {done}。")
        return page_url(row)

    total = money("total_fen", "总额")
    settled = money("settled_fen", "结算金额")
    state = tone_badge("status", "状态", TONES)

    @admin.display(description="买家")
    def buyer_name(self, order: Order) -> str:
        return order.buyer.shown_name

    @admin.display(description="店铺")
    def shop_link(self, order: Order) -> SafeString | str:
        return link(order.shop)

    @admin.display(description="退款政策版本")
    def policy_link(self, order: Order) -> SafeString | str:
        return link(order.policy)
