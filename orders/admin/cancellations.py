"""取消 on the desk: every cancellation with what follows from it; an operator cancels one order, or many at once.

A bulk cancellation is a form, then a page with its totals that waits to be started, then its progress.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    Desk,
    DeskInline,
    DialogForm,
    ProgressDesk,
    badge,
    called,
    choice_field,
    key,
    link,
    list_url,
    log,
    me,
    money,
    note_field,
    page_url,
    staff_act,
    tone_badge,
    when,
    yuan,
)
from orders import bulk, cancellation
from orders.models import BulkCancellation, Cancellation, CancellationLine, Cause, Order, OrderStatus
from orders.models import BulkCancellationStatus as B
from shops.models import Product, Shop

AT_FAULT = {"shop": "商家", "platform": "平台", "buyer": "买家", "nobody": "无"}


# --- one order --------------------------------------------------------------------------------------------------------


class CancelForm(DialogForm):
    """Cancel what nobody has begun to deliver of one order."""

    template = "admin/orders/order/dialog_cancel.html"
    cause = choice_field(
        choices=[(cause.value, str(cause.label)) for cause in cancellation.STAFFS_CAUSES],
        label="原因",
        help_text="商家责任的原因会记违约金。",
    )
    reason = note_field(required=True, label="说明", help_text="买家会看到这段话，不超过 300 字。")

    @cached_property
    def order(self) -> Order | None:
        return Order.objects.select_related("shop", "policy").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.order is None:
            return "没有这张订单。"
        if self.order.status != OrderStatus.PAID:
            return f"订单现在是“{self.order.get_status_display()}”，不能取消。"
        return "" if cancellation.can_cancel(self.order) else "充值已提交或服务已开始，不能直接取消；请让买家申请退款。"

    def facts(self) -> dict[str, Any]:
        if self.order is None:
            return {}
        costs = cancellation.cost(self.order, Cause.OUT_OF_STOCK)
        return {"order": self.order, "refund": yuan(costs.refund_fen), "penalty": yuan(costs.penalty_fen)}


class LineInline(DeskInline):
    model = CancellationLine
    fields = ("line_name", "price")
    readonly_fields = fields

    price = money("line__price_fen", "实付")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CancellationLine]:
        rows = super().get_queryset(request).select_related("line").defer("line__product_page")
        return rows.order_by("line__position")

    @admin.display(description="商品")
    def line_name(self, row: CancellationLine) -> str:
        return row.line.product_name


class BatchFilter(admin.SimpleListFilter):
    """Those of one batch. Only a batch's own page leads here: a list of all batches would have no end."""

    title = "批次"
    parameter_name = "batch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", f"批量取消 {self.value()}")] if self.value() else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Cancellation]) -> QuerySet[Cancellation]:
        return queryset.filter(bulk=key(self.value() or "")) if self.value() else queryset


@admin.register(Cancellation)
class CancellationDesk(Desk):
    list_display = ("moment", "order_link", "cause", "at_fault", "refund", "penalty", "who", "heard")
    list_display_links = ("moment",)
    list_filter = ("cause", BatchFilter)
    exact_search = ("order__order_no",)
    search_help_text = "订单号"
    ordering = ("-pk",)
    list_select_related = ("order", "canceled_by", "bulk")
    fields = (
        ("order_link", "moment"), ("cause", "at_fault"), "reason", ("refund", "penalty", "fee"), ("who", "bulk_link"),
        ("heard", "cases"),
    )  # fmt: skip
    readonly_fields = ("order_link", "moment", "at_fault", "refund", "penalty", "fee", "who", "bulk_link", "heard",
                       "cases")  # fmt: skip
    inlines = (LineInline,)

    moment = when("at", "时间")
    refund = money("refund_fen", "应退")
    penalty = money("penalty_fen", "商家违约金")
    fee = money("fee_fen", "手续费")

    @admin.display(description="订单")
    def order_link(self, row: Cancellation) -> SafeString | str:
        return link(row.order)

    @admin.display(description="责任")
    def at_fault(self, row: Cancellation) -> str:
        return AT_FAULT[cancellation.CONSEQUENCES[Cause(row.cause)].at_fault]

    @admin.display(description="谁取消")
    def who(self, row: Cancellation) -> str:
        return called(row.canceled_by)

    @admin.display(description="批次")
    def bulk_link(self, row: Cancellation) -> SafeString | str:
        return link(row.bulk, f"批量取消 {row.bulk_id}")

    @admin.display(description="退款")
    def heard(self, row: Cancellation) -> SafeString:
        return badge("已发起", "good") if row.heard_at else badge("等待发起", "attention")

    @admin.display(description="退款单")
    def cases(self, row: Cancellation) -> SafeString | str:
        refunds = row.refunds.order_by("pk")  # written by the app above this one
        return format_html_join("、", "{}", ((link(refund),) for refund in refunds)) or "–"


# --- many at once -----------------------------------------------------------------------------------------------------

TONES: dict[str, str] = {B.PREVIEWED: "attention", B.RUNNING: "progress", B.DONE: "good", B.ABANDONED: "quiet"}


class BulkForm(forms.ModelForm):
    """What is to be canceled, and why: nothing happens before the totals were looked at."""

    class Meta:
        model = BulkCancellation
        fields = ("shop", "product", "cause", "reason")
        help_texts = {  # noqa: RUF012
            "shop": "取消整家店未交付的订单；与“商品”二选一。",
            "product": "只取消这个商品未交付的订单。",
            "reason": "买家会在订单和通知里看到这段话。",
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "cause" in self.fields:
            self.fields["cause"].choices = [("", "请选择"), *((c.value, c.label) for c in bulk.CAUSES)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        words = super().clean() or {}
        if bool(words.get("shop")) == bool(words.get("product")):
            raise ValidationError("请选择一家店铺，或者一个商品：二选一。")
        return words


class StartForm(DialogForm):
    template = "admin/orders/bulkcancellation/dialog_start.html"

    @cached_property
    def row(self) -> BulkCancellation | None:
        return BulkCancellation.objects.select_related("shop", "product").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这一批。"
        return "" if self.row.status == B.PREVIEWED else f"这一批{self.row.get_status_display()}，不能再做这一步。"

    def facts(self) -> dict[str, Any]:
        return {"row": self.row, "totals": bulk.totals(self.row, by=me(self.request))} if self.row else {}


class AbandonForm(StartForm):
    template = ""


@admin.register(BulkCancellation)
class BulkCancellationDesk(ProgressDesk, ActsDesk):
    form = BulkForm
    list_display = ("moment", "about_what", "cause", "state", "order_count", "canceled_count", "who")
    list_display_links = ("moment",)
    list_filter = ("status", "cause")
    exact_search = ("shop__name", "product__name")
    search_help_text = "店铺名 / 商品名"
    ordering = ("-pk",)
    list_select_related = ("shop", "product", "created_by", "started_by")
    autocomplete_fields = ("shop", "product")
    actions_detail = ("start", "abandon")

    moment = when("created_at", "建立时间")
    started = when("started_at", "开始时间")
    finished = when("finished_at", "完成时间")
    refund = money("refund_fen", "应退合计（预览）")
    penalty = money("penalty_fen", "违约金合计（预览）")
    state = tone_badge("status", "状态", TONES)

    def get_fields(self, request: HttpRequest, obj: BulkCancellation | None = None) -> Any:
        if obj is None:
            return ("shop", "product", "cause", "reason")
        return (
            ("about_what", "state"), ("cause", "who"), "reason", ("order_count", "unpaid_count"), ("refund", "penalty"),
            "progress", ("started", "starter", "finished"), "cancellations_link",
        )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: BulkCancellation | None = None) -> Any:
        shown = (
            "about_what",
            "state",
            "who",
            "refund",
            "penalty",
            "progress",
            "started",
            "starter",
            "finished",
            "cancellations_link",
        )
        return shown if obj else ()

    def save_model(self, request: HttpRequest, obj: BulkCancellation, form: forms.ModelForm, change: bool) -> None:
        """The form makes a preview; everything beside what it asked for is counted."""
        about = obj.shop or obj.product
        assert isinstance(about, Shop | Product)  # the form demands one
        found = bulk.preview(about, cause=Cause(obj.cause), reason=obj.reason, by=me(request), at=clock.now())
        obj.pk = found.pk
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: BulkCancellation, post_url_continue: str | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(page_url(obj))

    def advice(self, row: BulkCancellation) -> list[tuple[str, str]]:
        if row.status == B.PREVIEWED:
            return [("attention", "这是预览，还没有取消任何订单。核对下面的数目，再点“开始取消”。")]
        return [("attention", f"{row.skipped_count} 张订单未能取消，见下。")] if row.skipped_count else []

    def acts_of(self, row: BulkCancellation) -> list[str]:
        return ["start", "abandon"] if row.status == B.PREVIEWED else []

    # --- columns

    @admin.display(description="范围")
    def about_what(self, row: BulkCancellation) -> SafeString | str:
        return link(row.shop or row.product)

    @admin.display(description="预览人")
    def who(self, row: BulkCancellation) -> str:
        return called(row.created_by)

    @admin.display(description="开始人")
    def starter(self, row: BulkCancellation) -> str:
        return called(row.started_by)

    @admin.display(description="进度")
    def progress(self, row: BulkCancellation) -> SafeString | str:
        return _progress(row)

    @admin.display(description="取消的订单")
    def cancellations_link(self, row: BulkCancellation) -> SafeString | str:
        if not row.canceled_count:
            return "–"
        address = list_url(Cancellation, batch=row.pk)
        return format_html('<a class="desk-link" href="{}">查看这一批的取消记录</a>', address)

    # --- progress: the page asks every two seconds while it runs

    def progress_of(self, row: Any) -> SafeString:
        return _progress(row)

    def is_running(self, row: Any) -> bool:
        return bool(row.status == B.RUNNING)

    # --- acts

    @staff_act(
        StartForm, title="开始取消", submit="开始取消", icon="play_arrow", danger=True, refused_by=(bulk.CannotStart,)
    )
    def start(self, request: HttpRequest, form: StartForm, object_id: str) -> str:
        row = _row(form)
        bulk.start(row, by=me(request), at=clock.now())
        log(request, [row], f"开始批量取消：{row.reason}")
        messages.success(request, "已开始。可以离开本页，系统会继续到全部完成。")
        return page_url(row)

    @staff_act(AbandonForm, title="放弃", submit="放弃这次预览", icon="close", refused_by=(bulk.CannotStart,))
    def abandon(self, request: HttpRequest, form: AbandonForm, object_id: str) -> str:
        row = _row(form)
        bulk.abandon(row, by=me(request), at=clock.now())
        log(request, [row], "放弃批量取消")
        return page_url(row)


def _progress(row: BulkCancellation) -> SafeString:
    done = row.canceled_count + row.called_off_count + row.skipped_count
    facts = {
        "row": row,
        "done": done,
        "most": max(row.order_count + row.unpaid_count, done, 1),
        "is_running": row.status == B.RUNNING,
        "skipped": [(bulk.SKIPPED.get(why, why), count) for why, count in sorted(row.skipped.items())],
        "address": reverse("admin:orders_bulkcancellation_progress", args=[row.pk]),
    }
    return render_to_string("admin/orders/bulkcancellation/progress.html", facts)


def _row(form: StartForm) -> BulkCancellation:
    assert form.row  # a form without a row has refused already
    return form.row
