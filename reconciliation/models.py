"""对账: a Statement is one bill of one account and day; a Discrepancy is what it and our books do not agree on.

A bill is evidence, never an order: nothing here moves money by itself (G22). What people do about a difference stands
in its events, for ever.
"""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from payments.gateways.base import BillKind
from payments.models import ChannelAccount
from refunds.models import BalanceCredit, Disbursement, RedirectTransfer
from workqueue import WorkItem

BILL_KINDS = [(BillKind.TRADES.value, _("交易账单")), (BillKind.FUNDS.value, _("资金账单"))]


class StatementStatus(models.TextChoices):
    WANTED = "wanted", _("待下载")
    NOT_THERE_YET = "not_there_yet", _("渠道还没出账")
    DOWNLOADED = "downloaded", _("已下载，对账中")
    MATCHED = "matched", _("已对账")
    BROKEN = "broken", _("账单读不出")


class Statement(WorkItem):
    """对账单: one per account, kind and day. ``next_due_at``: when it is fetched, or compared, next."""

    account = models.ForeignKey(ChannelAccount, models.PROTECT, related_name="statements", verbose_name=_("渠道账户"))
    kind = models.CharField(_("账单"), max_length=8, choices=BILL_KINDS)
    day = models.DateField(_("账期"))  # in China
    status = models.CharField(_("状态"), max_length=16, choices=StatementStatus.choices, default=StatementStatus.WANTED)
    is_empty = models.BooleanField(_("渠道说当日无业务"), default=False)
    created_at = models.DateTimeField(_("创建时间"))
    downloaded_at = models.DateTimeField(_("下载时间"), null=True, blank=True)
    matched_at = models.DateTimeField(_("对账时间"), null=True, blank=True)
    sha256 = models.CharField(_("文件摘要"), max_length=64, blank=True)
    lines_read = models.PositiveIntegerField(_("已读行数"), default=0)
    flaws = models.PositiveIntegerField(_("残缺处"), default=0)
    totals_fit = models.BooleanField(_("汇总相符"), default=True)
    theirs_in_fen = models.BigIntegerField(_("渠道收入（分）"), default=0)
    theirs_out_fen = models.BigIntegerField(_("渠道支出（分）"), default=0)
    ours_in_fen = models.BigIntegerField(_("我方收款（分）"), default=0)
    ours_out_fen = models.BigIntegerField(_("我方退款（分）"), default=0)
    fee_fen = models.BigIntegerField(_("手续费净额（分）"), default=0)
    matched = models.PositiveIntegerField(_("相符"), default=0)
    waiting = models.PositiveIntegerField(_("待邻日账单"), default=0)  # around midnight: told once that bill is there
    last_error = models.CharField(_("最近错误"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("对账单")
        verbose_name_plural = _("对账单")
        constraints = [
            models.CheckConstraint(name="statement_status_is_listed", condition=Q(status__in=StatementStatus.values)),
            models.CheckConstraint(
                name="statement_kind_is_listed", condition=Q(kind__in=[kind for kind, _ in BILL_KINDS])
            ),
            models.CheckConstraint(  # I4
                name="unmatched_statement_is_due", condition=Q(status="matched") | Q(next_due_at__isnull=False)
            ),
            models.CheckConstraint(
                name="matched_statement_says_when", condition=~Q(status="matched") | Q(matched_at__isnull=False)
            ),
            models.UniqueConstraint(name="one_statement_per_account_kind_and_day", fields=["account", "kind", "day"]),
        ]
        indexes = [
            models.Index(name="statement_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="statement_by_day", fields=["-day", "-id"]),
        ]
        triggers = [pgtrigger.Protect(name="statement_is_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.day} {self.get_kind_display()}"


class StatementLine(models.Model):
    """账单的一行, as the gateway read it. Replaced when the bill is fetched again; gone after ``KEPT_DAYS``."""

    KEPT_DAYS: ClassVar[int] = 95
    GARBLED: ClassVar[str] = "garbled"
    TOTALS: ClassVar[str] = "totals"

    statement = models.ForeignKey(Statement, models.PROTECT, related_name="lines")
    line_number = models.PositiveIntegerField()
    kind = models.CharField(max_length=8)  # base.BillLineKind, GARBLED or TOTALS
    at = models.DateTimeField()
    amount_fen = models.BigIntegerField()
    fee_fen = models.BigIntegerField()
    payment_no = models.CharField(max_length=64)
    request_no = models.CharField(max_length=64)
    channel_transaction_id = models.CharField(max_length=64)
    channel_refund_id = models.CharField(max_length=130)
    move_no = models.CharField(max_length=64)
    entry_no = models.CharField(max_length=64)
    state = models.CharField(max_length=40)  # the channel's own word, for people
    refund_state = models.CharField(max_length=20)  # base.RefundState
    detail = models.CharField(max_length=200)  # of a flaw: what is wrong
    numbers = models.CharField(max_length=400)  # of a garbled line: the long numbers that could still be read in it

    class Meta:
        verbose_name = _("账单行")
        verbose_name_plural = _("账单行")
        indexes = [
            models.Index(name="line_of_statement", fields=["statement", "id"]),
            models.Index(name="line_of_payment", fields=["payment_no", "kind"]),
            models.Index(name="line_of_move", fields=["move_no"]),
            models.Index(name="line_garbled", fields=["statement"], condition=Q(kind="garbled")),
        ]


class DiscrepancyKind(models.TextChoices):
    """差错的种类. What each asks of a person: ``wording.NEXT``."""

    ONLY_OURS = "only_ours", _("仅我方有")
    ONLY_THEIRS = "only_theirs", _("渠道侧退款")  # in the channel's console: EXTERNAL (G21)
    UNKNOWN_PAYMENT = "unknown_payment", _("渠道有陌生收款")
    AMOUNT = "amount", _("金额不符")
    STATE = "state", _("状态不符")
    CLOSED_PAID = "closed_paid", _("我方已关闭，渠道已退")
    DUPLICATE = "duplicate", _("账单行重复")
    GARBLED = "garbled", _("账单行残缺")
    LATE = "late", _("账单迟到或缺失")
    TOTALS = "totals", _("汇总与明细不符")
    FUNDS = "funds", _("资金与交易不符")
    FEE = "fee", _("手续费不符")


WHOLE_BILL = {"late", "missing"}  # keys of what is about no one line
URGENT = [DiscrepancyKind.CLOSED_PAID, DiscrepancyKind.UNKNOWN_PAYMENT]


class DiscrepancyStatus(models.TextChoices):
    OPEN = "open", _("待处理")
    EXPLAINED = "explained", _("已说明")  # by a person, with a reason
    CLOSED = "closed", _("已对平")  # by itself: what was missing became known


class Bearer(models.TextChoices):
    """由谁承担: from whose money what was refunded outside us is taken, for good."""

    SHOP = "shop", _("店铺")
    PLATFORM = "platform", _("平台")


class Discrepancy(WorkItem):
    """差错. Found again it is the same row (``key``). While open it has a promise and a next alarm (I4)."""

    statement = models.ForeignKey(Statement, models.PROTECT, related_name="discrepancies", verbose_name=_("对账单"))
    kind = models.CharField(_("种类"), max_length=16, choices=DiscrepancyKind.choices)
    key = models.CharField(max_length=150)  # the number that it is about, or the line
    status = models.CharField(
        _("状态"), max_length=10, choices=DiscrepancyStatus.choices, default=DiscrepancyStatus.OPEN
    )
    payment_no = models.CharField(_("收款单号"), max_length=64, blank=True)
    request_no = models.CharField(_("商户退款单号"), max_length=64, blank=True)
    channel_no = models.CharField(_("渠道单号"), max_length=130, blank=True)
    ours_fen = models.BigIntegerField(_("我方（分）"), null=True, blank=True)
    theirs_fen = models.BigIntegerField(_("渠道（分）"), null=True, blank=True)
    ours_state = models.CharField(_("我方状态"), max_length=40, blank=True)
    theirs_state = models.CharField(_("渠道状态"), max_length=40, blank=True)
    happened_at = models.DateTimeField(_("发生时间"), null=True, blank=True)
    detail = models.CharField(_("细节"), max_length=200, blank=True)
    is_urgent = models.BooleanField(_("紧急"), default=False)
    found_at = models.DateTimeField(_("发现时间"))
    due_at = models.DateTimeField(_("处理期限"))
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                              verbose_name=_("负责人"))  # fmt: skip  # nobody yet: all of finance
    resolved_at = models.DateTimeField(_("了结时间"), null=True, blank=True)
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                                    verbose_name=_("了结人"))  # fmt: skip
    reason = models.CharField(_("说明"), max_length=500, blank=True)
    borne_by = models.CharField(_("由谁承担"), max_length=10, choices=Bearer.choices, blank=True)
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                                    verbose_name=_("提出人"))  # fmt: skip

    class Meta:
        verbose_name = _("差错")
        verbose_name_plural = _("差错")
        constraints = [
            models.CheckConstraint(name="discrepancy_kind_is_listed", condition=Q(kind__in=DiscrepancyKind.values)),
            models.CheckConstraint(
                name="discrepancy_status_is_listed", condition=Q(status__in=DiscrepancyStatus.values)
            ),
            models.CheckConstraint(name="bearer_is_listed", condition=Q(borne_by__in=["", *Bearer.values])),
            models.CheckConstraint(  # I4
                name="open_discrepancy_is_due", condition=~Q(status="open") | Q(next_due_at__isnull=False)
            ),
            models.CheckConstraint(
                name="resolved_discrepancy_says_when", condition=Q(status="open") | Q(resolved_at__isnull=False)
            ),
            models.CheckConstraint(
                name="explained_discrepancy_says_who_and_why",
                condition=~Q(status="explained") | (Q(resolved_by__isnull=False) & ~Q(reason="")),
            ),
            models.CheckConstraint(  # four eyes
                name="write_off_takes_two_people",
                condition=Q(proposed_by__isnull=True) | Q(resolved_by__isnull=True) | ~Q(proposed_by=F("resolved_by")),
            ),
            models.CheckConstraint(
                name="write_off_says_who_proposed_it", condition=Q(borne_by="") | Q(proposed_by__isnull=False)
            ),
            models.UniqueConstraint(name="one_discrepancy_per_key", fields=["statement", "kind", "key"]),
        ]
        indexes = [
            models.Index(name="discrepancy_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="discrepancy_open", fields=["due_at", "id"], condition=Q(status="open")),
            models.Index(name="discrepancy_of_payment", fields=["payment_no"]),
            models.Index(
                name="discrepancy_in_doubt", fields=["request_no"], condition=Q(status="open", kind="closed_paid")
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="discrepancy_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(  # what was explained with a name under it is not explained anew
                name="explained_stays_explained",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.status = 'explained' AND (OLD.status, OLD.reason, OLD.resolved_by_id, OLD.resolved_at,"
                    " OLD.borne_by, OLD.proposed_by_id) IS DISTINCT FROM (NEW.status, NEW.reason, NEW.resolved_by_id,"
                    " NEW.resolved_at, NEW.borne_by, NEW.proposed_by_id)"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"

    @property
    def number(self) -> str:
        """单号, or what of the bill it is about where no number could be read."""
        line = f"第 {self.key.removeprefix('line:')} 行" if self.key.startswith("line:") else self.key
        where = "整张账单" if self.key in WHOLE_BILL else line
        return self.request_no or self.payment_no or self.channel_no or where


class DiscrepancyEvent(models.Model):
    """差错记录: what was found, asked, done and decided about a difference; ``by`` is empty for the machine."""

    discrepancy = models.ForeignKey(Discrepancy, models.PROTECT, related_name="events", verbose_name=_("差错"))
    at = models.DateTimeField(_("时间"))
    what = models.CharField(_("动作"), max_length=20)  # wording.EVENTS
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                           verbose_name=_("操作人"))  # fmt: skip
    note = models.CharField(_("说明"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("差错记录")
        verbose_name_plural = _("差错记录")
        indexes = [models.Index(name="event_of_discrepancy", fields=["discrepancy", "id"])]
        triggers = append_only("discrepancy_events_are_append_only")


_NOT_BESIDE_A_DOUBT = pgtrigger.Trigger(  # I11, said to people by refunds/doubts.py
    name="nothing_is_sent_beside_a_doubt",
    when=pgtrigger.Before,
    operation=pgtrigger.Insert,
    func="""
    IF EXISTS (SELECT FROM refunds_disbursement d
               JOIN payments_refundattempt p ON p.id = d.attempt_id AND p.status = 'closed'
               JOIN reconciliation_discrepancy x
                 ON x.request_no = p.request_no AND x.status = 'open' AND x.kind = 'closed_paid'
               WHERE d.refund_id = NEW.refund_id) THEN
        RAISE EXCEPTION 'nothing_is_sent_beside_a_doubt: a bill shows refund % as paid', NEW.refund_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
    """,
)


class SentByChannel(Disbursement):
    """发款, as the bills forbid it: what is closed here and paid there is cleared up before money goes again."""

    class Meta:
        proxy = True
        default_permissions = ()
        triggers: ClassVar[list[pgtrigger.Trigger]] = [_NOT_BESIDE_A_DOUBT]


class SentToBalance(BalanceCredit):
    """入余额, forbidden alike."""

    class Meta:
        proxy = True
        default_permissions = ()
        triggers: ClassVar[list[pgtrigger.Trigger]] = [_NOT_BESIDE_A_DOUBT]


class SentByTransfer(RedirectTransfer):
    """改付, forbidden alike."""

    class Meta:
        proxy = True
        default_permissions = ()
        triggers: ClassVar[list[pgtrigger.Trigger]] = [_NOT_BESIDE_A_DOUBT]
