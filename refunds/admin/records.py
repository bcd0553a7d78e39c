"""What was decided and what was sent, for looking up. These rows never change."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.desk import Desk, badge, called, link, money
from payments.models import Channel
from refunds import arrival_times
from refunds.admin.chains import ChainDesk
from refunds.casefile import step_words
from refunds.models import ArrivalFigures, Disbursement, RefundEvent
from refunds.models import Status as S
from refunds.stages import TONE_OF
from shops.badge import percent


class BecameFilter(admin.SimpleListFilter):
    """By what the case became."""

    title = "变为"
    parameter_name = "became"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, str(label)) for value, label in S.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RefundEvent]) -> QuerySet[RefundEvent]:
        return queryset.filter(to_status=self.value()) if self.value() in S.values else queryset


@admin.register(RefundEvent)
class RefundEventDesk(ChainDesk):
    """退款记录: every step of every case, for looking up. They never change."""

    list_before_template = "admin/refunds/refundevent/above.html"
    list_display = ("at", "case", "what", "became", "who", "role", "note")
    list_display_links = ("at",)
    list_filter = ("role", BecameFilter)
    exact_search = ("refund__refund_no", "actor__username")
    search_help_text = "退款单号 / 同事账号"
    ordering = ("-pk",)
    list_select_related = ("refund", "actor")
    fields = ("case", "sequence", "what", "became", "who", "role", "note", "at")
    readonly_fields = ("case", "what", "became", "who")

    @admin.display(description="退款单")
    def case(self, event: RefundEvent) -> SafeString | str:
        return link(event.refund, event.refund.refund_no)

    @admin.display(description="步骤")
    def what(self, event: RefundEvent) -> str:
        return step_words(event.step)

    @admin.display(description="之后的状态")
    def became(self, event: RefundEvent) -> SafeString:
        status = S(event.to_status)
        return badge(status.label, TONE_OF.get(status, "progress"))

    @admin.display(description="处理人")
    def who(self, event: RefundEvent) -> str:
        return called(event.actor)


@admin.register(Disbursement)
class DisbursementDesk(Desk):
    """发款: which request to a channel carried which case, and who released it."""

    list_display = ("created_at", "case", "number", "amount", "state", "who")
    list_display_links = ("created_at",)
    exact_search = ("refund__refund_no", "attempt__request_no", "released_by__username")
    search_help_text = "退款单号 / 商户退款单号 / 放款人账号"
    ordering = ("-pk",)
    list_select_related = ("refund", "attempt", "released_by")
    fields = ("case", "number", "amount", "state", "who", "created_at")
    readonly_fields = ("case", "number", "amount", "state", "who")

    @admin.display(description="退款单")
    def case(self, row: Disbursement) -> SafeString | str:
        return link(row.refund, row.refund.refund_no)

    @admin.display(description="商户退款单号")
    def number(self, row: Disbursement) -> SafeString | str:
        return link(row.attempt, row.attempt.request_no)

    amount = money("attempt__amount_fen", "金额")

    @admin.display(description="渠道状态")
    def state(self, row: Disbursement) -> str:
        return str(row.attempt.get_status_display())

    @admin.display(description="放款人")
    def who(self, row: Disbursement) -> str:
        return called(row.released_by) if row.released_by else "系统（自动通道）"


@admin.register(ArrivalFigures)
class ArrivalFiguresDesk(Desk):
    """到账校准: by channel and account, whether what we say of banks is right."""

    list_display = ("way", "paid_out_count", "there", "within", "missing_count", "half", "most", "computed_at")
    list_display_links = ("way",)
    ordering = ("channel", "account_kind")
    fields = ("way", "paid_out_count", "proven_count", "confirmed_count", "within", "missing_count", "half", "most",
              "since", "computed_at")  # fmt: skip
    readonly_fields = ("way", "within", "half", "most")

    @admin.display(description="渠道与入账账户")
    def way(self, row: ArrivalFigures) -> str:
        kind = {"bank_card": "银行卡", "unknown": "渠道未告知"}.get(row.account_kind, row.account_kind)
        return f"{Channel(row.channel).label} · {kind}"

    @admin.display(description="已知到账（银行 / 买家）")
    def there(self, row: ArrivalFigures) -> str:
        return f"{row.proven_count} / {row.confirmed_count}"

    @admin.display(description="在预计之内")
    def within(self, row: ArrivalFigures) -> str:
        return percent(row.within_count, row.proven_count + row.confirmed_count)

    @admin.display(description="中位")
    def half(self, row: ArrivalFigures) -> str:
        return _workdays(row.median_workdays)

    @admin.display(description="九成之内")
    def most(self, row: ArrivalFigures) -> str:
        used = "，已用于预计" if row.proven_count >= arrival_times.ENOUGH else ""
        return _workdays(row.p90_workdays) + (used if row.p90_workdays is not None else "")


def _workdays(count: int | None) -> str:
    return "–" if count is None else f"{count} 个工作日"
