"""账本 on the staff desk: accounts with the balance folded from their entries, postings, entries. To look at."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.desk import Desk, DeskInline, DeskList, link, money, yuan
from ledger import balances
from ledger.books_desk import BooksDesk
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


class AccountList(DeskList):
    """Knows what was posted to each listed account, from one query that does not read their past."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = _with_turnovers(list(self.result_list))


@admin.register(Account)
class AccountDesk(BooksDesk):
    list_display = ("code", "kind", "debits", "credits", "balance")
    list_filter = ("kind",)
    exact_search = ("code",)
    search_help_text = "账户，如 channel:wechat"
    ordering = ("code",)
    fields = ("code", "kind", "debits", "credits", "balance")
    readonly_fields = ("debits", "credits", "balance")

    debits = money("turnover__debit_fen", "借方合计")
    credits = money("turnover__credit_fen", "贷方合计")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DeskList]:
        return AccountList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Account | None:
        account = super().get_object(request, object_id, from_field)
        return _with_turnovers([account])[0] if account else None

    @admin.display(description="余额")
    def balance(self, account: Account) -> SafeString:
        fen = account.turnover.owed_fen  # type: ignore[attr-defined]
        side = Side.CREDIT if fen > 0 else Side.DEBIT
        return format_html('<span class="desk-money">{} {}</span>', side.label if fen else "平", yuan(abs(fen)))


def _with_turnovers(accounts: list[Account]) -> list[Account]:
    found = balances.turnovers([account.code for account in accounts])
    for account in accounts:
        account.turnover = found[account.code]  # type: ignore[attr-defined]
    return accounts


#: The first words of refs that go on with a number of the trade: payment, 退款单号, 商户退款单号, order, 转账单号.
WORDS = (
    "payment", "refund", "refund_returned", "credit", "hold", "free", "fee", "fee_back", "fee_kept", "settle", "topup",
    "transfer", "transfer_paid", "transfer_failed", "transfer_back", "repay", "external", "external_back",
    "external_borne",
)  # fmt: skip
SHORTEST_NUMBER = 8


class ByNumberDesk(Desk):
    """A number as people have it from a bill or a case is enough: the ref's first word need not be known."""

    ref = ""  # the column, from here

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, is_double = super().get_search_results(request, queryset, search_term)
        number = search_term.strip().upper()
        if len(number) < SHORTEST_NUMBER or not (number.isascii() and number.isalnum()) or found.exists():
            return found, is_double
        named = Posting.objects.filter(reduce(or_, (Q(ref__startswith=f"{word}:{number}") for word in WORDS)))
        return queryset.filter(**{f"{self.ref}__in": named.values("pk")}), False


@admin.register(Posting)
class PostingDesk(ByNumberDesk):
    ref = "pk"
    list_display = ("ref", "posted_at")
    exact_search = ("ref",)
    search_help_text = "凭据，如 payment:P…；或单号：付款、退款、订单、转账"
    ordering = ("-pk",)
    inlines = (EntryInline,)


@admin.register(Entry)
class EntryDesk(ByNumberDesk):
    ref = "posting"
    list_display = ("number", "posting_link", "account_link", "side", "amount")
    list_filter = ("side", "account__kind")
    exact_search = ("account__code", "posting__ref")
    search_help_text = "账户 / 凭据 / 单号：付款、退款、订单、转账"
    ordering = ("-pk",)
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
