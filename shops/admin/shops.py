"""店铺 on the desk: suspended, reinstated and dismissed by operators, its deposit recorded by finance, its record.

A shop opens by an approved application alone (``applications.py``); its people are its owner's business.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

import clock
from accounts.desk import (
    MOST_COUNTED,
    ActsDesk,
    Desk,
    DeskInline,
    DeskList,
    DialogForm,
    called,
    deadline,
    key,
    link,
    list_url,
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
from ledger import posting
from ledger.models import Account
from shops import deposits, guarantee, life
from shops import money as money_of
from shops.badge import percent
from shops.life import STEPS
from shops.models import (
    DepositEntry,
    DepositReturn,
    GuaranteeTerms,
    ReturnStatus,
    Shop,
    ShopEvent,
    ShopFigures,
    ShopMember,
    ShopRole,
    ShopStatus,
)

TONES: dict[str, str] = {
    ShopStatus.OPEN: "good",
    ShopStatus.SUSPENDED: "bad",
    ShopStatus.LEAVING: "attention",
}

STEP_WORDS = {
    "open": "开店",
    "suspend": "暂停营业",
    "reinstate": "恢复营业",
    "leave": "申请退出",
    "dismiss": "清退",
    "close": "关店",
    "earn_badge": "获得保障标识",
    "lose_badge": "失去保障标识",
    "complaint_upheld": "投诉成立",
    "add_member": "添加店员",
    "set_role": "更改店员身份",
    "remove_member": "移除店员",
    "make_key": "新建接口密钥",
    "revoke_key": "吊销接口密钥",
    "add_webhook": "添加回调地址",
    "change_webhook": "更改回调地址",
    "webhook_secret": "更换回调密钥",
    "webhook_on": "启用回调地址",
    "webhook_off": "停用回调地址",
}


#: {is it closed: how an advance comes back}.
OWED = {
    False: "之后结算的货款和登记的保证金先归还它，不用人工办理；还清前店铺不能提现。",
    True: "店铺已关闭，没有货款可以抵扣：请财务向店主追偿，收到后登记为保证金，系统先归还垫付。",
}


# --- dialogs ----------------------------------------------------------------------------------------------------------


class ShopForm(DialogForm):
    """An act on one shop; where it cannot be done (any more), the dialog says why."""

    template = "admin/shops/shop/dialog.html"
    step = ""

    @cached_property
    def shop(self) -> Shop | None:
        return Shop.objects.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.shop is None:
            return "没有这家店铺。"
        if self.step and ShopStatus(self.shop.status) not in STEPS[self.step].sources:
            return f"店铺现在是“{self.shop.get_status_display()}”，不能做这一步。"
        return ""

    def facts(self) -> dict[str, Any]:
        return {
            "shop": self.shop,
            "told": self.told,
            "purse": money_of.purses([self.shop.pk])[self.shop.pk] if self.shop else None,
        }

    told = ""


class SuspendForm(ShopForm):
    step = "suspend"
    told = "店铺立即停止销售，商品从列表消失，保障标识取消。未完成的订单不会自动取消，需要时请另做“批量取消”。"
    reason = note_field(required=True, label="原因", help_text="店铺成员会看到。")


class ReinstateForm(ShopForm):
    step = "reinstate"
    told = "店铺恢复销售。保障标识须按规则重新获得。"
    reason = note_field(required=True, label="原因", help_text="店铺成员会看到。")


class DismissForm(ShopForm):
    step = "dismiss"
    told = "店铺停止销售，不能恢复。未完成的订单和退款全部了结后，系统自动关店。"
    reason = note_field(required=True, label="原因", help_text="店铺成员会看到。")


def _amount_field() -> forms.DecimalField:
    return forms.DecimalField(
        label="金额（元）",
        max_digits=9,
        decimal_places=2,
        widget=UnfoldAdminDecimalFieldWidget(),
        error_messages={"invalid": "请填写金额，最多两位小数。", "required": "请填写金额。"},
    )


class DepositForm(ShopForm):
    told = "只登记店铺存入的；退还须两个人，请用“退还保证金”。"
    amount = _amount_field()
    voucher = forms.CharField(
        label="凭证号",
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        error_messages={"required": "请填写凭证号。"},
    )
    note = note_field(required=False, label="说明（选填）")


class DepositBackForm(ShopForm):
    told = "提出后由另一位财务在银行付款并登记凭证；在此之前钱不动。冲正登记错的存入也这样办。"
    amount = _amount_field()
    note = note_field(required=True, label="事由", help_text="店铺会在保证金流水里看到，不超过 200 字。")


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


# --- the shop ---------------------------------------------------------------------------------------------------------


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
        "state", "guarantee_since", "created_at", "deposit", "returnable", "available", "advance", "history",
        "paid_orders", "in_time", "refunded",
        "canceled",
    )  # fmt: skip
    inlines = (MemberInline,)
    actions_detail = ("record_deposit", "ask_deposit_back", "reinstate", "suspend", "dismiss")

    state = tone_badge("status", "状态", TONES)
    owes = money("purse__owes_fen", "垫付未还")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeskList]:
        return ShopList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shop]:
        return super().get_queryset(request).select_related("figures")

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


# --- its record, its deposit, what the badge demands ------------------------------------------------------------------


@admin.register(ShopEvent)
class ShopEventDesk(Desk):
    """店铺记录: every change of a shop's life, of its people and of its badge."""

    list_display = ("moment", "shop_link", "what", "to_status", "who", "why")
    list_display_links = ("moment",)
    exact_search = ("shop__name", "actor__username")
    search_help_text = "店铺名 / 账号"
    ordering = ("-pk",)
    list_select_related = ("shop", "actor")
    fields = ("shop_link", "what", "from_status", "to_status", "who", "why", "moment")
    readonly_fields = fields

    moment = when("at", "时间")

    @admin.display(description="店铺")
    def shop_link(self, event: ShopEvent) -> SafeString | str:
        return link(event.shop)

    @admin.display(description="事件")
    def what(self, event: ShopEvent) -> str:
        return STEP_WORDS.get(event.step, event.step)

    @admin.display(description="操作人")
    def who(self, event: ShopEvent) -> str:
        return called(event.actor)

    @admin.display(description="原因")
    def why(self, event: ShopEvent) -> str:
        """A role or a status that is kept by its key, in words; rows from before have the words."""
        if event.step in {"add_member", "set_role", "remove_member"}:
            name, _space, role = event.reason.rpartition(" ")
            return f"{name} {dict(ShopRole.choices).get(role, role)}"
        if event.step == "lose_badge":
            return str(dict(ShopStatus.choices).get(event.reason, event.reason))
        return event.reason


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


@admin.register(GuaranteeTerms)
class GuaranteeTermsDesk(Desk):
    """保障标识条件: a published version never changes; a new one is published beside it."""

    list_display = ("version", "deposit", "open_days", "in_time_percent", "least_deliveries", "published_at")
    ordering = ("-version",)
    fields = (
        "version", "deposit_fen", "open_days", "in_time_percent", "least_deliveries", "most_canceled_percent",
        "unsuspended_days", "published_at",
    )  # fmt: skip
    readonly_fields = ("version", "published_at")

    deposit = money("deposit_fen", "保证金不少于")

    def save_model(self, request: HttpRequest, obj: GuaranteeTerms, form: Any, change: bool) -> None:
        obj.version, obj.published_at = guarantee.terms().version + 1, clock.now()
        super().save_model(request, obj, form, change)
