"""转账 on the desk: what waits for whom and by when; approve, refuse, record the voucher, record that it came back.

The payee stands in clear on a page of its own, asked for by POST and recorded (``transfers.look_at_payee``).
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, URLResolver, path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.widgets import UnfoldAdminTextInputWidget

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    called,
    deadline,
    key,
    link,
    log,
    me,
    money,
    note_field,
    page_url,
    staff_act,
    text_field,
    tone_badge,
    when,
    yuan,
)
from accounts.models import User
from accounts.rights import Act
from payments import outgoing, transfers
from payments.models import Transfer
from payments.transfer_models import TransferStatus as S
from payments.transfers import CannotTransfer
from shops import money as money_of
from shops.models import Shop, ShopStatus

TONES: dict[str, str] = {
    S.REQUESTED: "attention",
    S.APPROVED: "progress",
    S.PAID: "good",
    S.REFUSED: "quiet",
    S.FAILED: "bad",
}


# --- dialogs --------------------------------------------------------------------------------------------------------


class OneTransferForm(DialogForm):
    """An act on one transfer. Whether it may be taken, the domain says again under its lock."""

    template = "admin/payments/transfer/dialog.html"
    sources: frozenset[S] = frozenset()
    told = ""
    told_of_redirect = ""  # where its money was not taken, but is held of the shop's
    told_in_doubt = ""

    @cached_property
    def transfer(self) -> Transfer | None:
        rows = Transfer.objects.select_related("payee", "shop", "user", "requested_by", "approved_by")
        return rows.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.transfer is None:
            return "没有这笔转账。"
        if self.transfer.status not in self.sources:
            return f"这笔转账{S(self.transfer.status).label}，不能再这样办理。"
        return self.not_by(self.transfer, me(self.request))

    @staticmethod
    def not_by(row: Transfer, user: User) -> str:
        """Why it is another person's to do; the domain says it again."""
        return ""

    def facts(self) -> dict[str, Any]:
        row = self.transfer
        told = (row is not None and row.payment_id is not None and self.told_of_redirect) or self.told
        if row is not None and _in_doubt(row):
            told += self.told_in_doubt
        return {"transfer": row, "told": told}


class ApproveForm(OneTransferForm):
    sources = frozenset({S.REQUESTED})
    told = "通过后由另一位财务转账并登记凭证；申请人、审批人、付款登记人须是三个人。"
    told_in_doubt = "这笔还存疑：通过后仍要先查银行流水，已付的照流水登记，请不要再付一次。"

    @staticmethod
    def not_by(row: Transfer, user: User) -> str:
        return "转账由您申请，须由另一位财务审批。" if row.requested_by_id == user.pk else ""


class RefuseForm(OneTransferForm):
    sources = frozenset({S.REQUESTED, S.APPROVED})
    told = "钱立即退回申请人处，原因会告诉申请人。请先确认没有转出。"
    told_of_redirect = "退款单回到“退款异常”，请买家重新选择去向，货款仍冻结。请先确认没有转出。"
    note = note_field(required=True, label="原因", help_text="申请人可见，不超过 200 字。")


class ConfirmUnpaidForm(OneTransferForm):
    sources = frozenset({S.REQUESTED, S.APPROVED})
    told = (
        "数据库恢复过。请在银行流水里按转账单号（附言）和收款人、金额查过恢复之前的几天，确认没有付过；"
        "您不能再登记它的付款。"
    )


class PaidForm(OneTransferForm):
    sources = frozenset({S.APPROVED})
    told = "只登记已经在银行完成的转账。登记后记入银行存款，凭证号不能重复使用。"
    told_in_doubt = "这笔还存疑：只登记恢复之前已经付过的，付款时间照银行流水填；没有付的先核对，不要付。"
    voucher = text_field(label="银行凭证号", most=60)
    paid_at = forms.DateTimeField(
        label="付款时间",
        input_formats=["%Y-%m-%d %H:%M"],
        help_text="例如 2026-11-23 14:05；留空为现在。",
        required=False,
        widget=UnfoldAdminTextInputWidget({"placeholder": "2026-11-23 14:05"}),
        error_messages={
            "invalid": "请按 2026-11-23 14:05 的样子填写。",
            "required": "这笔还存疑：请照银行流水填写。",
        },
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.transfer and _in_doubt(self.transfer):  # it was paid before the restore, or not at all
            self.fields["paid_at"].required = True
            self.fields["paid_at"].help_text = "照银行流水，例如 2026-11-23 14:05。"

    @staticmethod
    def not_by(row: Transfer, user: User) -> str:
        mine = {row.approved_by_id: "审批", row.requested_by_id: "申请", row.checked_by_id: "核对流水"}.get(user.pk)
        return f"转账由您{mine}，付款须由另一位财务登记。" if mine else ""


class FailedForm(OneTransferForm):
    sources = frozenset({S.PAID})
    told = "银行已把钱退回平台账户。登记后冲销付款，钱回到申请人处。"
    told_of_redirect = "银行已把钱退回平台账户。登记后冲销付款，退款单回到“退款异常”，货款重新冻结。"
    note = note_field(required=True, label="原因", help_text="申请人可见，不超过 200 字。")

    @staticmethod
    def not_by(row: Transfer, user: User) -> str:
        return "付款由您登记，退票须由另一位财务登记。" if row.paid_by_id == user.pk else ""


FORMS: dict[str, type[OneTransferForm]] = {
    "approve": ApproveForm, "mark_paid": PaidForm, "refuse": RefuseForm, "mark_failed": FailedForm,
}  # fmt: skip


class DoubtFilter(admin.SimpleListFilter):
    """存疑: those that waited as the database was restored."""

    title = "恢复后存疑"
    parameter_name = "in_doubt"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "存疑，先查银行流水")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transfer]) -> QuerySet[Transfer]:
        """By the index of what waits (``due_at``)."""
        waiting = {"due_at__isnull": False, "in_doubt_at__isnull": False}
        return queryset.filter(**waiting) if self.value() == "1" else queryset


# --- the list and the page ------------------------------------------------------------------------------------------


@admin.register(Transfer)
class TransferDesk(ActsDesk):
    list_display = ("number", "state", "purpose", "amount", "owner", "payee", "due", "requester")
    list_filter = ("status", "purpose", DoubtFilter)
    list_display_links = ("number",)
    exact_search = ("transfer_no", "voucher")
    search_help_text = "转账单号 / 凭证号"
    ordering = ("due_at", "pk")
    list_select_related = ("shop", "user", "payee", "requested_by")
    fieldsets = (
        (None, {"fields": (("transfer_no", "state"), ("purpose", "amount"), ("owner", "payee"), ("due", "voucher"),
                          ("payment", "instead_of"))}),
        ("经手", {"fields": (("requester", "asked"), ("approver", "approved"), ("payer", "paid"), ("ender", "ended"),
                            "reason")}),
        ("记录", {"fields": ("history", "looks")}),
    )  # fmt: skip
    readonly_fields = (
        "state", "amount", "owner", "due", "requester", "asked", "approver", "approved", "payer", "paid", "ender",
        "ended", "history", "looks",
    )  # fmt: skip
    actions_detail = ("confirm_unpaid", "approve", "mark_paid", "refuse", "mark_failed")
    change_form_outer_before_template = "admin/payments/transfer/payee_button.html"

    state = tone_badge("status", "状态", TONES)
    amount = money("amount_fen", "金额")
    asked, approved = when("requested_at", "申请时间"), when("approved_at", "审批时间")
    paid, ended = when("paid_at", "付款时间"), when("ended_at", "退回时间")

    def get_urls(self) -> list[URLPattern | URLResolver]:
        view = self.admin_site.admin_view(self.payee_view)
        return [path("<path:object_id>/payee/", view, name="payments_transfer_payee"), *super().get_urls()]

    def payee_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """收款账户 in clear, on POST alone; kept nowhere."""
        if request.method != "POST" or not self.may_act(request, Act.PAYEE):
            raise PermissionDenied
        transfer = get_object_or_404(Transfer, pk=key(object_id))
        try:
            account = transfers.look_at_payee(transfer, by=me(request), at=clock.now())
        except transfers.CannotTransfer as error:
            messages.error(request, str(error))
            return redirect(page_url(transfer))
        log(request, [transfer], "查看收款账户")
        facts = {"transfer": transfer, "account": account, "back": page_url(transfer), "title": "收款账户"}
        response = render(request, "admin/payments/transfer/payee.html", self.admin_site.each_context(request) | facts)
        response.headers["Cache-Control"] = "no-store"
        return response

    def about(self, row: Transfer) -> dict[str, Any]:
        return {"transfer": row, "may_be_paid": not transfers.why_not_to_pay(row)}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_see_payee": self.may_act(request, Act.PAYEE)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def advice(self, row: Transfer) -> list[tuple[str, str]]:
        said = []
        if row.status in S.waiting() and outgoing.stopped():
            said.append(("bad", "全部出款已停止：请不要转账，恢复后再办理。"))
        if row.status in S.waiting() and row.shop:
            said += _of_shop(row.shop)
        if _in_doubt(row):
            unapproved = transfers.IN_DOUBT_UNAPPROVED if row.status == S.REQUESTED else ""
            return [*said, ("bad", transfers.IN_DOUBT + unapproved)]
        if words := transfers.warning_before_paying(row):
            said.append(("bad", words))
        elif row.status == S.APPROVED:
            said.append(("attention", transfers.CHANNEL.begin(row)))
        return said

    def acts_of(self, row: Transfer) -> list[str]:
        acts = [name for name, form in FORMS.items() if row.status in form.sources]
        return ["confirm_unpaid", *(name for name in acts if name != "refuse")] if _in_doubt(row) else acts

    def not_for(self, row: Transfer, user: User) -> dict[str, str]:
        said = {name: form.not_by(row, user) for name, form in FORMS.items() if row.status in form.sources}
        return {name: words for name, words in said.items() if words}

    # --- columns

    @admin.display(description="转账单号")
    def number(self, row: Transfer) -> SafeString:
        return format_html(
            '<span class="desk-nowrap">{}</span>{}', row.transfer_no, "（存疑，先查银行流水）" if _in_doubt(row) else ""
        )

    @admin.display(description="谁的钱")
    def owner(self, row: Transfer) -> SafeString | str:
        return link(row.shop) if row.shop else f"买家 {row.user.shown_name if row.user else ''}"

    @admin.display(description="最迟办理")
    def due(self, row: Transfer) -> SafeString | str:
        return deadline(row.due_at, clock.now())

    @admin.display(description="申请人")
    def requester(self, row: Transfer) -> str:
        return called(row.requested_by)

    @admin.display(description="审批人")
    def approver(self, row: Transfer) -> str:
        return called(row.approved_by) if row.approved_by else "–"

    @admin.display(description="付款登记人")
    def payer(self, row: Transfer) -> str:
        return called(row.paid_by) if row.paid_by else "–"

    @admin.display(description="退回登记人")
    def ender(self, row: Transfer) -> str:
        return called(row.ended_by) if row.ended_by else "–"

    @admin.display(description="经过")
    def history(self, row: Transfer) -> SafeString:
        return _lines((each.at, f"{S(each.to_status).label} {called(each.by)} {each.note}") for each in
                      row.events.select_related("by").order_by("pk"))  # fmt: skip

    @admin.display(description="谁看过收款账户")
    def looks(self, row: Transfer) -> SafeString | str:
        found = list(row.payee.looks.select_related("by").order_by("-pk")[:20])
        return _lines((each.at, called(each.by)) for each in found) if found else "–"

    # --- acts, each by its dialog

    @staff_act(ApproveForm, title="通过", submit="通过", icon="check", refused_by=(CannotTransfer,))
    def approve(self, request: HttpRequest, form: ApproveForm, object_id: str) -> str:
        row = transfers.approve(_transfer(form), by=me(request), at=clock.now())
        return self._done(request, row, f"通过 {yuan(row.amount_fen)}")

    @staff_act(RefuseForm, title="不通过", submit="确认不通过", icon="block", danger=True, refused_by=(CannotTransfer,))
    def refuse(self, request: HttpRequest, form: RefuseForm, object_id: str) -> str:
        row = transfers.refuse(_transfer(form), by=me(request), at=clock.now(), reason=form.cleaned_data["note"])
        return self._done(request, row, f"不通过：{row.reason}")

    @staff_act(
        ConfirmUnpaidForm,
        title="已核对银行流水，未付",
        submit="确认未付",
        icon="fact_check",
        refused_by=(CannotTransfer,),
    )
    def confirm_unpaid(self, request: HttpRequest, form: ConfirmUnpaidForm, object_id: str) -> str:
        row = transfers.confirm_unpaid(_transfer(form), by=me(request), at=clock.now())
        return self._done(request, row, "已核对银行流水，未付")

    @staff_act(PaidForm, title="登记已转账", submit="登记", icon="receipt_long", refused_by=(CannotTransfer,))
    def mark_paid(self, request: HttpRequest, form: PaidForm, object_id: str) -> str:
        said, at = form.cleaned_data, clock.now()
        row = transfers.mark_paid(
            _transfer(form), by=me(request), at=at, paid_at=said["paid_at"] or at, voucher=said["voucher"]
        )
        return self._done(request, row, f"登记已转账，凭证 {row.voucher}")

    @staff_act(FailedForm, title="登记退票", submit="确认退票", icon="undo", danger=True, refused_by=(CannotTransfer,))
    def mark_failed(self, request: HttpRequest, form: FailedForm, object_id: str) -> str:
        row = transfers.mark_failed(_transfer(form), by=me(request), at=clock.now(), reason=form.cleaned_data["note"])
        return self._done(request, row, f"退票：{row.reason}")

    def _done(self, request: HttpRequest, row: Transfer, words: str) -> str:
        log(request, [row], words)
        messages.success(request, f"{row.transfer_no} {words}。")
        return page_url(row)


def _of_shop(shop: Shop) -> list[tuple[str, str]]:
    """What has become of it since it asked: its money was taken then, so it would be paid all the same."""
    said = []
    if (owes_fen := money_of.purses([shop.pk])[shop.pk].owes_fen) > 0:
        then = "按“不通过”，退回的钱先还垫付；通过则照付，垫付只能等它以后的收入。"
        said.append(("bad", f"店铺现欠平台垫付 {yuan(owes_fen)}：{then}"))
    if shop.status != ShopStatus.OPEN:
        said.append(("attention", f"店铺{ShopStatus(shop.status).label}：请先确认可以付款。"))
    return said


def _in_doubt(row: Transfer) -> bool:
    return row.in_doubt_at is not None and row.status in S.waiting()


def _lines(rows: Any) -> SafeString:
    said = [(f"{_local(at):%Y-%m-%d %H:%M}", words) for at, words in rows]
    return format_html_join(mark_safe("<br>"), '<span class="desk-nowrap">{}</span> {}', said)


def _local(at: datetime) -> datetime:
    return timezone.localtime(at)


def _transfer(form: OneTransferForm) -> Transfer:
    assert form.transfer  # a form without one has refused already
    return form.transfer
