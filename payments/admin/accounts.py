"""渠道账户 on the desk: whether it collects, what it lacks, and what is wrong with it. Never its credentials.

Finance says that it was topped up; operators close and open it, and keep its limits.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import DateTimeField, QuerySet, Value
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import (
    ActsDesk,
    DeskList,
    DialogForm,
    badge,
    key,
    link,
    list_url,
    log,
    me,
    note_field,
    number_field,
    page_url,
    staff_act,
    yuan,
)
from accounts.models import User
from payments import attention, channels, funds, outgoing
from payments.admin.outgoing import NOT_BY_WHO_STOPPED, said
from payments.attention import Waiting
from payments.models import BALANCE, ChannelAccount, OutgoingSwitch, RefundAttempt

MOST_DAYS, MOST_CALLS = 365, 150

# What the channels say about our keys and permissions, by the word before the colon.
REMEDIES = {
    "credentials": "服务器读不出这个账户的密钥或配置。请核对密钥文件与环境变量，改后重启服务。",
    "SIGN_ERROR": "渠道不认我们的签名。请核对商户私钥与证书序列号，是否与商户平台上的一致。",
    "INVALID-SIGNATURE": "渠道不认我们的签名。请核对应用私钥，是否与开放平台上登记的公钥成对。",
    "NO_AUTH": "渠道没有给这个账户开通此接口。请在商户平台开通产品权限。",
    "INSUFFICIENT-ISV-PERMISSIONS": "渠道没有给这个应用开通此接口。请在开放平台签约并授权。",
    "APPID_MCHID_NOT_MATCH": "商户号与应用没有绑定。请在商户平台核对绑定关系。",
    "MCH_NOT_EXISTS": "渠道不认识这个商户号。请核对商户号。",
}


def remedy(trouble: str) -> str:
    """What a person should do about an account's trouble."""
    word = trouble.split(":")[0].strip()
    known = REMEDIES.get(word) or REMEDIES.get(word.rpartition(".")[2].upper())
    return known or "密钥、商户号或接口权限有误。请在商户平台逐项核对。"


# --- dialogs --------------------------------------------------------------------------------------------------------


class AccountForm(DialogForm):
    """An act on one account."""

    template = "admin/payments/channelaccount/dialog_account.html"
    told = ""

    @cached_property
    def account(self) -> ChannelAccount | None:
        return ChannelAccount.objects.filter(pk=key(self.object_id)).select_related("shop").first()

    @cached_property
    def refusal(self) -> str:
        return self.why_not(self.account) if self.account else "没有这个渠道账户。"

    def why_not(self, account: ChannelAccount) -> str:
        return ""

    def facts(self) -> dict[str, Any]:
        return {"account": self.account, "told": self.consequence(self.account) if self.account else ""}

    def consequence(self, account: ChannelAccount) -> str:
        """What the act leads to, in a sentence."""
        return ""


class ToppedUpForm(AccountForm):
    template = "admin/payments/channelaccount/dialog_topped_up.html"

    @cached_property
    def waits(self) -> Waiting:
        return waiting_of(self.account) if self.account else Waiting()

    @cached_property
    def is_stopped(self) -> bool:
        return bool(self.account and outgoing.now().of(self.account.pk))

    def why_not(self, account: ChannelAccount) -> str:
        return "" if account.short_since or self.waits.count else "这个账户没有等待余额的退款，无需继续发送。"

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"waits": self.waits, "is_stopped": self.is_stopped}


class StopForm(AccountForm):
    def why_not(self, account: ChannelAccount) -> str:
        return "" if account.is_open else "这个账户已经暂停收款。"

    def consequence(self, account: ChannelAccount) -> str:
        return f"{self.who_collects(account)}已经打开的付款和退款照常进行。"

    def who_collects(self, account: ChannelAccount) -> str:
        if account.shop:
            return f"“{account.shop.name}”的新订单改由平台的{account.get_channel_display()}账户收款。"
        others = ChannelAccount.objects.filter(shop=None, is_open=True).exclude(pk=account.pk).exclude(channel=BALANCE)
        rest = "、".join(others.values_list("name", flat=True))
        return f"新订单只能用{rest}支付。" if rest else "平台没有别的账户在收款：没有自带账户的店铺，买家将无法付款。"


class StartForm(AccountForm):
    def why_not(self, account: ChannelAccount) -> str:
        return "这个账户正在收款。" if account.is_open else ""

    def consequence(self, account: ChannelAccount) -> str:
        return "买家又可以用这个账户付款。"


class LimitsForm(AccountForm):
    """The account's own contract; empty is the channel's common rule."""

    refundable_days = number_field(least=1, most=MOST_DAYS, label="可退天数", help_text="1–365；留空用渠道通用值。")
    calls_per_second = number_field(
        least=1, most=MOST_CALLS, label="每秒调用上限", help_text="1–150；留空用渠道通用值。"
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("refundable_days", "calls_per_second"):
            self.fields[name].initial = getattr(self.account, name, None)

    def consequence(self, account: ChannelAccount) -> str:
        return "超过可退天数的退款，不发往渠道就告知退不了；超过每秒上限的调用排队等候。请以渠道合同为准。"


class OutgoingForm(AccountForm):
    """Stops the money of this account, or lets it go again."""

    note = note_field(required=True, label="原因", help_text="所有同事可见，不超过 200 字。")

    @cached_property
    def switch(self) -> OutgoingSwitch | None:
        return outgoing.now().accounts.get(self.account.pk) if self.account else None


class StopOutgoingForm(OutgoingForm):
    def why_not(self, account: ChannelAccount) -> str:
        return "这个账户已经停止出款。" if self.switch else ""

    def consequence(self, account: ChannelAccount) -> str:
        return "这个账户不再发送新的退款，已发出的照常查询；全部留在原处排队。恢复须由另一位同事办理。"


class ResumeOutgoingForm(OutgoingForm):
    def why_not(self, account: ChannelAccount) -> str:
        if self.switch is None:
            return "这个账户没有停止出款。"
        return NOT_BY_WHO_STOPPED if self.switch.by_id == self.request.user.pk else ""

    def consequence(self, account: ChannelAccount) -> str:
        return "排队的退款立即按原单号发出，每笔一次。"


# --- the list and the page --------------------------------------------------------------------------------------------


STATES = {
    "short": ("余额不足", attention.SHORT),
    "trouble": ("渠道故障", attention.IN_TROUBLE),
    "closed": ("暂停收款", attention.CLOSED),
}


class StateFilter(admin.SimpleListFilter):
    title = "情况"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ChannelAccount]) -> QuerySet[ChannelAccount]:
        state = STATES.get(self.value() or "")
        return queryset.filter(state[1]) if state else queryset


class AccountList(DeskList):
    """Knows what waits for the money of each listed account, from one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        listed: list[ChannelAccount] = list(self.result_list)
        sums = attention.for_funds([account.pk for account in listed])
        for account in listed:
            account.waits = sums.get(account.pk, Waiting())  # type: ignore[attr-defined]
        self.result_list = listed


@admin.register(ChannelAccount)
class ChannelAccountDesk(ActsDesk):
    list_display = ("called", "trouble_line", "waits", "short", "collects", "pace", "shop_link", "merchant_id")
    list_filter = (StateFilter, "channel")
    exact_search = ("code", "merchant_id", "shop__name")
    search_help_text = "代号 / 商户号 / 店铺名"
    ordering = ("pk",)
    list_select_related = ("shop",)
    fieldsets = (
        (None, {"fields": (("name", "code"), ("channel", "merchant_id"), ("shop_link", "collects"))}),
        ("余额", {"fields": (("short", "waits"), "next_probe")}),
        ("限额与调用", {"fields": (("days", "calls"), "pace")}),
        ("故障", {"fields": (("health", "words_of_channel"),)}),
    )  # fmt: skip
    readonly_fields = (
        "shop_link", "collects", "short", "waits", "next_probe", "days", "calls", "pace", "health", "words_of_channel",
    )  # fmt: skip
    actions_detail = (
        "topped_up", "start_collecting", "resume_outgoing", "set_limits", "stop_collecting", "stop_outgoing"
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChannelAccount]:
        rows = super().get_queryset(request).select_related("shop").defer("credentials")
        return rows.annotate(looked_at=Value(clock.now(), output_field=DateTimeField()))

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[DeskList]:
        return AccountList

    def advice(self, row: ChannelAccount) -> list[tuple[str, str]]:
        said_of_it = [("bad", f"{remedy(row.trouble)}系统每分钟再试，修好后自动恢复。")] if row.trouble else []
        if switch := _switch_of(row):
            said_of_it.append(("attention", f"{said(switch)}。恢复后排队的退款各发一次。"))
        if row.short_since:
            amount = yuan(waiting_of(row).total_fen)
            said_of_it.append(("attention", f"商户号余额不足，{amount} 的退款在等。请充值，再点“已充值，继续发送”。"))
        return said_of_it

    def not_for(self, row: ChannelAccount, user: User) -> dict[str, str]:
        switch = _switch_of(row)
        return {"resume_outgoing": NOT_BY_WHO_STOPPED} if switch and switch.by_id == user.pk else {}

    def acts_of(self, row: ChannelAccount) -> list[str]:
        allowed = {
            "topped_up": row.short_since is not None or waiting_of(row).count > 0,
            "start_collecting": not row.is_open,
            "resume_outgoing": _switch_of(row) is not None,
            "set_limits": True,
            "stop_collecting": row.is_open,
            "stop_outgoing": _switch_of(row) is None,
        }
        return [name for name, is_so in allowed.items() if is_so]

    # --- columns

    @admin.display(description="账户")
    def called(self, row: ChannelAccount) -> SafeString:
        return format_html('<span class="desk-nowrap">{}</span>', row.name)

    @admin.display(description="店铺")
    def shop_link(self, row: ChannelAccount) -> SafeString | str:
        return link(row.shop) if row.shop else "平台"

    @admin.display(description="收款")
    def collects(self, row: ChannelAccount) -> SafeString:
        return badge("收款中", "good") if row.is_open else badge("暂停收款", "attention")

    @admin.display(description="余额不足自")
    def short(self, row: ChannelAccount) -> SafeString | str:
        return moment(row.short_since, "attention") if row.short_since else "–"

    @admin.display(description="等待余额的退款")
    def waits(self, row: ChannelAccount) -> SafeString | str:
        waits = waiting_of(row)
        if not waits.count:
            return "–"
        address = list_url(RefundAttempt, queue="funds", payment__account__id__exact=row.pk)
        return format_html(
            '<a class="desk-link desk-money" href="{}">{} 笔 {}</a>', address, waits.count, yuan(waits.total_fen)
        )

    @admin.display(description="下次试探")
    def next_probe(self, row: ChannelAccount) -> str:
        if row.probe_from and outgoing.now().of(row.pk):  # nothing is tried meanwhile, however long that was due
            return "恢复出款以后"
        return f"{timezone.localtime(row.probe_from):%m-%d %H:%M:%S}" if row.probe_from else "–"

    @admin.display(description="可退天数")
    def days(self, row: ChannelAccount) -> str:
        return own_or_common(row.refundable_days, channels.limits(row).refundable_days, "天")

    @admin.display(description="每秒调用上限")
    def calls(self, row: ChannelAccount) -> str:
        return own_or_common(row.calls_per_second, channels.limits(row).calls_per_second, "次")

    @admin.display(description="调用额度")
    def pace(self, row: ChannelAccount) -> SafeString | str:
        """The account's own limit, or until when it may not call: its budget is used up, or its calls fail."""
        if row.calls_from and row.calls_from > row.looked_at:  # type: ignore[attr-defined]
            return badge(f"暂停调用至 {timezone.localtime(row.calls_from):%H:%M:%S}", "attention")
        return f"每秒 {row.calls_per_second} 次" if row.calls_per_second else "渠道通用"

    @admin.display(description="渠道故障")
    def health(self, row: ChannelAccount) -> SafeString | str:
        if not row.trouble:
            return badge("正常", "good")
        return format_html('{} <span class="desk-words">{}</span>', since(row.trouble_at), remedy(row.trouble))

    @admin.display(description="渠道故障")
    def trouble_line(self, row: ChannelAccount) -> SafeString:
        """On one line: since when, and what to do in a tip."""
        if not row.trouble:
            return badge("正常", "good")
        template = '<span class="desk-nowrap">{} <span class="desk-clip" title="{}">{}</span></span>'
        return format_html(template, since(row.trouble_at), remedy(row.trouble), remedy(row.trouble))

    @admin.display(description="渠道原话")
    def words_of_channel(self, row: ChannelAccount) -> str:
        return row.trouble or "–"

    # --- acts, each by its dialog

    @staff_act(ToppedUpForm, title="已充值，继续发送", submit="已充值，继续发送", icon="play_arrow")
    def topped_up(self, request: HttpRequest, form: ToppedUpForm, object_id: str) -> str:
        account = _account(form)
        count = funds.topped_up(account, by=me(request), at=clock.now())
        log(request, [account], f"已充值，继续发送 {count} 笔")
        then = "渠道仍说余额不足的，会再次等待。"
        if switch := outgoing.now().of(account.pk):
            then = f"{said(switch).rstrip('。')}。恢复出款以后才会发出。"
        messages.success(request, f"{count} 笔退款将以原单号继续发送。{then}")
        return page_url(account)

    @staff_act(StopForm, title="暂停收款", submit="确认暂停", icon="pause", danger=True)
    def stop_collecting(self, request: HttpRequest, form: StopForm, object_id: str) -> str:
        return self._switch(request, _account(form), is_open=False)

    @staff_act(StartForm, title="恢复收款", submit="确认恢复", icon="play_arrow")
    def start_collecting(self, request: HttpRequest, form: StartForm, object_id: str) -> str:
        return self._switch(request, _account(form), is_open=True)

    @staff_act(LimitsForm, title="修改限额", submit="保存", icon="speed")
    def set_limits(self, request: HttpRequest, form: LimitsForm, object_id: str) -> str:
        wanted = {name: form.cleaned_data[name] for name in ("refundable_days", "calls_per_second")}
        account = _account(form)
        with transaction.atomic():
            before = ChannelAccount.objects.select_for_update(no_key=True).filter(pk=account.pk).values(*wanted).get()
            ChannelAccount.objects.filter(pk=account.pk).update(**wanted)
            if changes := [f"{LABELS[name]} {_said(before[name])} → {_said(wanted[name])}" for name in wanted
                           if before[name] != wanted[name]]:  # fmt: skip
                log(request, [account], "；".join(changes))
        messages.success(request, f"已保存：{'；'.join(changes)}。" if changes else "没有改动。")
        return page_url(account)

    @staff_act(
        StopOutgoingForm,
        title="停止出款",
        submit="确认停止",
        icon="block",
        danger=True,
        refused_by=(outgoing.CannotTurn,),
    )
    def stop_outgoing(self, request: HttpRequest, form: StopOutgoingForm, object_id: str) -> str:
        account, note = _account(form), form.cleaned_data["note"]
        outgoing.stop(by=me(request), reason=note, at=clock.now(), account=account)
        log(request, [account], f"停止出款：{note}")
        messages.success(request, f"{account.name}已停止出款。恢复须由另一位同事办理。")
        return page_url(account)

    @staff_act(
        ResumeOutgoingForm, title="恢复出款", submit="确认恢复", icon="play_arrow", refused_by=(outgoing.CannotTurn,)
    )
    def resume_outgoing(self, request: HttpRequest, form: ResumeOutgoingForm, object_id: str) -> str:
        account, note = _account(form), form.cleaned_data["note"]
        outgoing.resume(by=me(request), reason=note, at=clock.now(), account=account)
        log(request, [account], f"恢复出款：{note}")
        messages.success(request, f"{account.name}已恢复出款，排队的退款正在发出。")
        return page_url(account)

    def _switch(self, request: HttpRequest, account: ChannelAccount, *, is_open: bool) -> str:
        words = "恢复收款" if is_open else "暂停收款"
        with transaction.atomic():
            if ChannelAccount.objects.filter(pk=account.pk, is_open=not is_open).update(is_open=is_open):
                log(request, [account], words)
                messages.success(request, f"{account.name}已{words}。")
            else:
                messages.warning(request, f"{account.name}已由同事{words}，没有改动。")
        return page_url(account)


# --- small things -----------------------------------------------------------------------------------------------------

LABELS = {"refundable_days": "可退天数", "calls_per_second": "每秒调用上限"}


def waiting_of(account: ChannelAccount) -> Waiting:
    """What waits for this account's money; asked once for a row, and by the list once for all its rows."""
    if not hasattr(account, "waits"):
        account.waits = attention.for_funds([account.pk]).get(account.pk, Waiting())  # type: ignore[attr-defined]
    return account.waits  # type: ignore[attr-defined]


def _switch_of(account: ChannelAccount) -> OutgoingSwitch | None:
    """What stops the money of this account alone; asked once for a page."""
    if not hasattr(account, "switch"):
        account.switch = outgoing.now().accounts.get(account.pk)  # type: ignore[attr-defined]
    return account.switch  # type: ignore[attr-defined]


def moment(at: datetime, tone: str) -> SafeString:
    return badge(f"{timezone.localtime(at):%m-%d %H:%M}", tone)


def since(at: datetime | None) -> SafeString:
    return badge(f"自 {timezone.localtime(at):%m-%d %H:%M}" if at else "故障", "bad")


def own_or_common(own: int | None, common: int, unit: str) -> str:
    return f"{own} {unit}" if own else f"{common} {unit}（渠道通用）"


def _said(value: int | None) -> str:
    return str(value) if value else "渠道通用"


def _account(form: AccountForm) -> ChannelAccount:
    assert form.account  # a form without an account has refused already
    return form.account
