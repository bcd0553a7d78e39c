"""店铺 on the desk: suspended, reinstated and dismissed by operators, its deposit recorded by finance.

A shop opens by an approved application alone (``applications.py``); its people are its owner's business.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts import rights
from accounts.desk import (
    MOST_COUNTED,
    ActsDesk,
    DeskInline,
    DeskList,
    link,
    list_url,
    log,
    me,
    money,
    page_url,
    staff_act,
    tone_badge,
    yuan,
)
from accounts.rights import Act
from ledger import posting
from ledger.models import Account
from shops import deposits, life
from shops import money as money_of
from shops.admin.shop_dialogs import DepositBackForm, DepositForm, DismissForm, ReinstateForm, ShopForm, SuspendForm
from shops.badge import percent
from shops.life import STEPS
from shops.models import DepositEntry, Shop, ShopEvent, ShopFigures, ShopMember, ShopStatus

TONES: dict[str, str] = {
    ShopStatus.OPEN: "good",
    ShopStatus.SUSPENDED: "bad",
    ShopStatus.LEAVING: "attention",
}

#: {is it closed: how an advance comes back}.
OWED = {
    False: "之后结算的货款和登记的保证金先归还它，不用人工办理；还清前店铺不能提现。",
    True: "店铺已关闭，没有货款可以抵扣：请财务向店主追偿，收到后登记为保证金，系统先归还垫付。",
}


class MemberInline(DeskInline):
    model = ShopMember
    verbose_name_plural = "店员"
    fields = ("who", "role")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ShopMember]:
        return super().get_queryset(request).select_related("user").order_by("pk")

    @admin.display(description="账号")
    def who(self, member: ShopMember) -> str:
        return member.user.username


class OwesFilter(admin.SimpleListFilter):
    """垫付未还: what finance reads through."""

    title = "平台垫付"
    parameter_name = "owes"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "未还")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Shop]) -> QuerySet[Shop]:
        return queryset.filter(pk__in=money_of.owing(most=MOST_COUNTED)) if self.value() == "1" else queryset


class ShopList(DeskList):
    """Knows what each listed shop owes, from one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        purses = money_of.purses([shop.pk for shop in self.result_list])
        for shop in self.result_list:
            shop.purse = purses[shop.pk]


@admin.register(Shop)
class ShopDesk(ActsDesk):
    list_display = ("name", "state", "about", "owes", "guarantee_since", "created_at")
    list_filter = ("status", OwesFilter)
    search_fields = ("name",)  # what the choice of a product's shop looks through
    exact_search = ("name", "members__username")
    search_help_text = "店铺名 / 成员账号"
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("name", "state"), "about", ("created_at", "guarantee_since"))}),
        ("资金与记录", {"fields": (("deposit", "returnable"), ("available", "advance"), "history")}),
        ("近 30 天", {"fields": (("paid_orders", "in_time"), ("refunded", "canceled"))}),
    )
    readonly_fields = (
        "state", "guarantee_since", "created_at", "deposit", "returnable", "available", "advance", "statements",
        "history", "paid_orders", "in_time", "refunded", "canceled",
    )  # fmt: skip
    inlines = (MemberInline,)
    actions_detail = ("record_deposit", "ask_deposit_back", "reinstate", "suspend", "dismiss")

    state = tone_badge("status", "状态", TONES)
    owes = money("purse__owes_fen", "垫付未还")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeskList]:
        return ShopList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shop]:
        return super().get_queryset(request).select_related("figures")

    def get_fieldsets(self, request: HttpRequest, obj: Shop | None = None) -> Any:
        """月结单: for those who may read the books."""
        head, (title, shown), *rest = self.fieldsets
        more = ("statements",) if rights.may(request.user, Act.SEE, Account._meta.label_lower) else ()
        return [head, (title, {"fields": (*shown["fields"], *more)}), *rest]

    def acts_of(self, row: Shop) -> list[str]:
        steps = [name for name in ("reinstate", "suspend", "dismiss") if ShopStatus(row.status) in STEPS[name].sources]
        return ["record_deposit", "ask_deposit_back", *steps]

    def advice(self, row: Shop) -> list[tuple[str, str]]:
        said = []
        if owes_fen := _purse(row).owes_fen:
            said.append(("bad", f"平台已替店铺垫付 {yuan(owes_fen)}。{OWED[row.status == ShopStatus.CLOSED]}"))
        if row.status == ShopStatus.SUSPENDED:
            said.append(
                ("attention", "店铺暂停营业，不再出售。已付款未交付的订单仍在，可在“批量取消”中一并取消并退款。")
            )
        if row.status == ShopStatus.LEAVING:
            said.append(("attention", "店铺退出中。未完成的订单和退款全部了结后，系统自动关店。"))
        return said

    # --- columns

    @admin.display(description="交存保证金")
    def deposit(self, shop: Shop) -> str:
        return yuan(_purse(shop).deposit_fen)

    @admin.display(description="其中可退还")
    def returnable(self, shop: Shop) -> str:
        return yuan(max(0, _purse(shop).returnable_fen))

    @admin.display(description="可提现货款")
    def available(self, shop: Shop) -> str:
        return yuan(_purse(shop).available_fen)

    @admin.display(description="平台垫付未还")
    def advance(self, shop: Shop) -> SafeString | str:
        fen = _purse(shop).owes_fen
        account = Account.objects.filter(code=posting.advance_account(shop.pk)).first() if fen else None
        return format_html("{} {}", yuan(fen), link(account, "账户")) if account else yuan(fen)

    @admin.display(description="月结单")
    def statements(self, shop: Shop) -> SafeString:
        return format_html('<a class="desk-link" href="{}">按月查看与导出</a>', reverse("month_end", args=[shop.pk]))

    @admin.display(description="记录")
    def history(self, shop: Shop) -> SafeString:
        template = '<a class="desk-link" href="{}">店铺记录</a> · <a class="desk-link" href="{}">保证金流水</a>'
        return format_html(template, list_url(ShopEvent, q=shop.name), list_url(DepositEntry, q=shop.name))

    @admin.display(description="已付订单")
    def paid_orders(self, shop: Shop) -> str:
        return str(_figures(shop).paid_orders)

    @admin.display(description="按时交付率")
    def in_time(self, shop: Shop) -> str:
        row = _figures(shop)
        return percent(row.delivered_in_time, row.delivered_in_time + row.delivered_late)

    @admin.display(description="退款率")
    def refunded(self, shop: Shop) -> str:
        return percent(_figures(shop).refunded_orders, _figures(shop).paid_orders)

    @admin.display(description="商家原因取消率")
    def canceled(self, shop: Shop) -> str:
        return percent(_figures(shop).canceled_by_shop, _figures(shop).paid_orders)

    # --- acts, each by its dialog

    @staff_act(
        SuspendForm, title="暂停营业", submit="确认暂停", icon="pause", danger=True, refused_by=(life.StepRefused,)
    )
    def suspend(self, request: HttpRequest, form: SuspendForm, object_id: str) -> str:
        shop = _shop(form)
        life.suspend(shop, by=me(request), at=clock.now(), reason=form.cleaned_data["reason"])
        log(request, [shop], f"暂停营业：{form.cleaned_data['reason']}")
        messages.success(request, f"{shop.name}已暂停营业。未完成的订单请用“批量取消”处理。")
        return _bulk_cancellation(shop) or page_url(shop)

    @staff_act(ReinstateForm, title="恢复营业", submit="确认恢复", icon="play_arrow", refused_by=(life.StepRefused,))
    def reinstate(self, request: HttpRequest, form: ReinstateForm, object_id: str) -> str:
        shop = _shop(form)
        life.reinstate(shop, by=me(request), at=clock.now(), reason=form.cleaned_data["reason"])
        log(request, [shop], f"恢复营业：{form.cleaned_data['reason']}")
        messages.success(request, f"{shop.name}已恢复营业。")
        return page_url(shop)

    @staff_act(DismissForm, title="清退", submit="确认清退", icon="logout", danger=True, refused_by=(life.StepRefused,))
    def dismiss(self, request: HttpRequest, form: DismissForm, object_id: str) -> str:
        shop = _shop(form)
        life.dismiss(shop, by=me(request), at=clock.now(), reason=form.cleaned_data["reason"])
        log(request, [shop], f"清退：{form.cleaned_data['reason']}")
        messages.success(request, f"{shop.name}已进入退出流程。")
        return page_url(shop)

    @staff_act(DepositForm, title="登记保证金", submit="登记", icon="savings", refused_by=(deposits.CannotRecord,))
    def record_deposit(self, request: HttpRequest, form: DepositForm, object_id: str) -> str:
        said, shop = form.cleaned_data, _shop(form)
        amount_fen = int(said["amount"] * 100)
        deposits.record(
            shop, amount_fen=amount_fen, voucher=said["voucher"], note=said["note"], by=me(request), at=clock.now()
        )
        log(request, [shop], f"登记保证金 {yuan(amount_fen)}，凭证 {said['voucher']}")
        messages.success(
            request, f"已登记 {yuan(amount_fen)}，{shop.name}现有保证金 {yuan(deposits.laid_down_fen(shop))}。"
        )
        return page_url(shop)

    @staff_act(DepositBackForm, title="退还保证金", submit="提出", icon="undo", refused_by=(deposits.CannotRecord,))
    def ask_deposit_back(self, request: HttpRequest, form: DepositBackForm, object_id: str) -> str:
        said, shop = form.cleaned_data, _shop(form)
        amount_fen = int(said["amount"] * 100)
        row = deposits.ask_back(shop, amount_fen=amount_fen, note=said["note"], by=me(request), at=clock.now())
        log(request, [shop, row], f"提出退还保证金 {yuan(amount_fen)}：{row.note}")
        messages.success(request, f"已提出退还 {yuan(amount_fen)}，由另一位财务付款后在这里登记。")
        return page_url(row)


def _shop(form: ShopForm) -> Shop:
    assert form.shop  # a form without a shop has refused already
    return form.shop


def _purse(shop: Shop) -> money_of.Purse:
    """Read once for a page: the row is its own."""
    if not hasattr(shop, "purse"):
        shop.purse = money_of.purses([shop.pk])[shop.pk]  # type: ignore[attr-defined]
    return cast(money_of.Purse, shop.purse)  # type: ignore[attr-defined]


def _figures(shop: Shop) -> ShopFigures:
    return shop.figures if hasattr(shop, "figures") else ShopFigures(shop=shop)


def _bulk_cancellation(shop: Shop) -> str:
    """Where what the shop has not delivered is canceled in one go; empty if the desk does not offer it."""
    try:
        return f"{reverse('admin:orders_bulkcancellation_add')}?shop={shop.pk}&cause=shop_suspended"
    except NoReverseMatch:
        return ""
