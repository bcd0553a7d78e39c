"""账本 on the staff desk: accounts with the balance folded from their entries, postings, entries. To look at."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Case, F, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.desk import Desk, DeskInline, link, money, yuan
from ledger.models import Account, Entry, Posting, Side


class EntryInline(DeskInline):
    model = Entry
    fields = ("account_link", "side", "amount")
    readonly_fields = ("account_link", "amount")

    amount = money("amount_fen", "金额")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).select_related("account").order_by("pk")

    @admin.display(description="账户")
    def account_link(self, entry: Entry) -> SafeString | str:
        return link(entry.account)


@admin.register(Account)
class AccountDesk(Desk):
    list_display = ("code", "kind", "debits", "credits", "balance")
    list_filter = ("kind",)
    exact_search = ("code",)
    search_help_text = "账户，如 channel:wechat"
    ordering = ("code",)
    sortable_by = ()
    fields = ("code", "kind", "debits", "credits", "balance")
    readonly_fields = ("debits", "credits", "balance")

    debits = money("debit_fen", "借方合计")
    credits = money("credit_fen", "贷方合计")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        rows: QuerySet[Account] = super().get_queryset(request)
        return rows.annotate(debit_fen=_sum(Side.DEBIT), credit_fen=_sum(Side.CREDIT))

    @admin.display(description="余额")
    def balance(self, account: Account) -> SafeString:
        fen = account.debit_fen - account.credit_fen  # type: ignore[attr-defined]
        side = Side.DEBIT if fen > 0 else Side.CREDIT
        return format_html('<span class="desk-money">{} {}</span>', side.label if fen else "平", yuan(abs(fen)))


@admin.register(Posting)
class PostingDesk(Desk):
    list_display = ("ref", "posted_at")
    exact_search = ("ref",)
    search_help_text = "凭据，如 payment:P…"
    ordering = ("-pk",)
    sortable_by = ()
    inlines = (EntryInline,)


@admin.register(Entry)
class EntryDesk(Desk):
    list_display = ("number", "posting_link", "account_link", "side", "amount")
    list_filter = ("side", "account__kind")
    exact_search = ("account__code", "posting__ref")
    search_help_text = "账户 / 凭据"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("posting", "account")
    fields = ("posting_link", "account_link", "side", "amount")
    readonly_fields = ("posting_link", "account_link", "amount")

    amount = money("amount_fen", "金额")

    @admin.display(description="序号")
    def number(self, entry: Entry) -> int:
        return entry.pk

    @admin.display(description="账户")
    def account_link(self, entry: Entry) -> SafeString | str:
        return link(entry.account)

    @admin.display(description="记账")
    def posting_link(self, entry: Entry) -> SafeString | str:
        return link(entry.posting)


def _sum(side: Side) -> Coalesce:
    return Coalesce(Sum(Case(When(entries__side=side, then=F("entries__amount_fen")))), Value(0))
