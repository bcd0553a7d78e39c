"""保证金 on the desk: what was laid down, and its return, which one of finance asks for and another pays."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    Desk,
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
from shops import deposits
from shops import money as money_of
from shops.models import DepositEntry, DepositReturn, ReturnStatus


class ReturnForm(DialogForm):
    """An act on one return of a deposit. Whether it may be taken, the domain says again under its lock."""

    template = "admin/shops/shop/dialog.html"
    told = ""

    @cached_property
    def asked(self) -> DepositReturn | None:
        return DepositReturn.objects.select_related("shop").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.asked is None:
            return "没有这笔退还。"
        return "" if self.asked.status == ReturnStatus.ASKED else f"这笔退还{self.asked.get_status_display()}。"

    def facts(self) -> dict[str, Any]:
        shop = self.asked.shop if self.asked else None
        purse = money_of.purses([shop.pk])[shop.pk] if shop else None
        return {"shop": shop, "told": self.told, "purse": purse, "asked": self.asked}


class PayBackForm(ReturnForm):
    told = "只登记已经在银行付给店铺的退还；提出的人不能登记。登记后记入银行存款，不能撤回。"
    voucher = text_field(label="银行凭证号", most=60)


class DropForm(ReturnForm):
    told = "请先确认没有付款。撤下后可以重新提出。"
    note = note_field(required=True, label="原因", help_text="不超过 200 字。")


@admin.register(DepositEntry)
class DepositEntryDesk(Desk):
    """保证金流水: recorded on the shop's page, never changed."""

    list_display = ("moment", "shop", "amount", "voucher", "note", "who")
    list_display_links = ("moment",)
    exact_search = ("shop__name", "voucher")
    search_help_text = "店铺名 / 凭证号"
    ordering = ("-pk",)
    list_select_related = ("shop", "recorded_by")
    fields = ("shop", "amount", "voucher", "note", "who", "moment")
    readonly_fields = fields

    amount = money("amount_fen", "金额")
    moment = when("at", "时间")

    @admin.display(description="登记人")
    def who(self, entry: DepositEntry) -> str:
        return called(entry.recorded_by)


@admin.register(DepositReturn)
class DepositReturnDesk(ActsDesk):
    """退还保证金: asked for on the shop's page; paid by another, who records the bank's voucher here."""

    list_display = ("number", "shop_link", "state", "amount", "due", "asker", "note")
    list_filter = ("status",)
    list_display_links = ("number",)
    exact_search = ("shop__name",)
    search_help_text = "店铺名"
    ordering = ("due_at", "pk")
    list_select_related = ("shop", "asked_by", "ended_by")
    fieldsets = (
        (None, {"fields": (("shop_link", "state"), ("amount", "there"), "note", ("asker", "asked"),
                          ("due", "voucher"), ("ender", "ended"), "reason")}),
    )  # fmt: skip
    readonly_fields = ("shop_link", "state", "amount", "there", "asker", "asked", "due", "voucher", "ender", "ended")
    actions_detail = ("pay_back", "drop")

    state = tone_badge(
        "status", "状态", {ReturnStatus.ASKED: "attention", ReturnStatus.PAID: "good", ReturnStatus.DROPPED: "quiet"}
    )
    amount = money("amount_fen", "金额")
    asked, ended = when("asked_at", "申请时间"), when("ended_at", "办理时间")

    def acts_of(self, row: DepositReturn) -> list[str]:
        return ["pay_back", "drop"] if row.status == ReturnStatus.ASKED else []

    def not_for(self, row: DepositReturn, user: User) -> dict[str, str]:
        return {"pay_back": "退还由您提出，须由另一位财务付款并登记。"} if row.asked_by_id == user.pk else {}

    def advice(self, row: DepositReturn) -> list[tuple[str, str]]:
        if row.status != ReturnStatus.ASKED:
            return []
        if deposits.returnable_fen(row.shop) < row.amount_fen:
            return [("bad", "保证金已被退款用去一部分，不够退还：请不要付款，撤下后按现有的重新提出。")]
        return [("attention", "请在银行付给店铺后登记凭证号。提出的人不能登记；出款停止时请不要付款。")]

    # --- columns

    @admin.display(description="编号")
    def number(self, row: DepositReturn) -> str:
        return f"#{row.pk}"

    @admin.display(description="店铺")
    def shop_link(self, row: DepositReturn) -> SafeString | str:
        return link(row.shop)

    @admin.display(description="现可退还")
    def there(self, row: DepositReturn) -> str:
        return yuan(max(0, deposits.returnable_fen(row.shop)))

    @admin.display(description="最迟办理")
    def due(self, row: DepositReturn) -> SafeString | str:
        return deadline(row.due_at, clock.now())

    @admin.display(description="申请人")
    def asker(self, row: DepositReturn) -> str:
        return called(row.asked_by)

    @admin.display(description="凭证号")
    def voucher(self, row: DepositReturn) -> str:
        return row.entry.voucher if row.status == ReturnStatus.PAID else "–"

    @admin.display(description="办理人")
    def ender(self, row: DepositReturn) -> str:
        return called(row.ended_by) if row.ended_at else "–"

    # --- acts, each by its dialog

    @staff_act(PayBackForm, title="登记已退还", submit="登记", icon="receipt_long", refused_by=(deposits.CannotRecord,))
    def pay_back(self, request: HttpRequest, form: PayBackForm, object_id: str) -> str:
        row = _asked(form)
        deposits.pay_back(row, voucher=form.cleaned_data["voucher"], by=me(request), at=clock.now())
        log(request, [row], f"登记已退还，凭证 {form.cleaned_data['voucher']}")
        messages.success(request, f"已退还 {yuan(row.amount_fen)}，{row.shop.name}现有保证金"
                                  f" {yuan(deposits.laid_down_fen(row.shop))}。")  # fmt: skip
        return page_url(row)

    @staff_act(
        DropForm, title="撤下", submit="确认撤下", icon="block", danger=True, refused_by=(deposits.CannotRecord,)
    )
    def drop(self, request: HttpRequest, form: DropForm, object_id: str) -> str:
        row, reason = _asked(form), form.cleaned_data["note"]
        deposits.drop(row, reason=reason, by=me(request), at=clock.now())
        log(request, [row], f"撤下：{reason}")
        messages.success(request, "已撤下，钱没有动。")
        return page_url(row)


def _asked(form: ReturnForm) -> DepositReturn:
    assert form.asked  # a form without one has refused already
    return form.asked
