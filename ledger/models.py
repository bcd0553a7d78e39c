"""Where every fen is. Double entry: each posting sums to zero, by a deferred constraint of the database (I6)."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from money import yuan

LOCK = 20_260_722  # advisory; shared by whoever writes entries, alone for whoever folds them


class AccountKind(models.TextChoices):
    """The chart of accounts. Its code is ``kind:whose``; what each holds: docs/decisions/0022-chart-of-accounts.md."""

    CHANNEL = "channel", _("渠道资金")  # what a channel holds for us
    BANK = "bank", _("银行存款")  # what a transfer by hand moved
    ADVANCE = "advance", _("垫付")  # what a shop owes us, because we paid its buyers first
    SHOP = "shop", _("待结算货款")  # what we owe a shop, while its buyers may still ask for it back
    AVAILABLE = "available", _("可提现货款")
    HELD = "held", _("冻结货款")  # a case asks for it
    RESERVE = "reserve", _("保证金")
    SURPLUS = "surplus", _("多收待退")  # paid twice, or after the order was canceled
    BALANCE = "balance", _("买家余额")  # what we owe a buyer
    FEES = "fees", _("手续费收入")
    COMPENSATION = "compensation", _("平台赔付")  # what the platform bore itself
    TRANSFER = "transfer", _("转账在途")  # asked for, not paid by hand yet: it may still come back
    SUSPENSE = "suspense", _("待查")  # a difference with a channel that nobody has explained yet


class Account(models.Model):
    """账户. Its balance is folded from its entries; there is no balance column to disagree."""

    code = models.CharField(_("账户"), max_length=60, unique=True)  # e.g. channel:wechat, shop:7, balance:42
    kind = models.CharField(_("类别"), max_length=16, choices=AccountKind.choices)

    class Meta:
        verbose_name = _("账户")
        verbose_name_plural = _("账户")
        constraints = [
            models.CheckConstraint(name="account_kind_is_listed", condition=Q(kind__in=AccountKind.values)),
            models.CheckConstraint(name="account_code_names_whose", condition=Q(code__regex=r"^[a-z]+:[a-z0-9-]+$")),
            models.CheckConstraint(
                name="account_code_begins_with_its_kind",
                condition=Q(code__startswith=models.functions.Concat(F("kind"), models.Value(":"))),
            ),
        ]

    def __str__(self) -> str:
        return self.code


class Posting(models.Model):
    """记账: one thing that happened to money. ``ref`` names it, so that it cannot be posted twice."""

    ref = models.CharField(
        _("凭据"), max_length=80, unique=True
    )  # payment:P…, refund:P…R01, refund_returned:…, credit:R…
    posted_at = models.DateTimeField(_("记账时间"))
    # A mistake stays written; what undoes it names it, and nothing is undone twice.
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversed_by", verbose_name=_("冲销")
    )

    class Meta:
        verbose_name = _("记账")
        verbose_name_plural = _("记账")
        indexes = [models.Index(name="posting_by_time", fields=["posted_at", "id"])]
        triggers = append_only("postings_are_append_only")

    def __str__(self) -> str:
        return self.ref


class Side(models.TextChoices):
    DEBIT = "debit", _("借")
    CREDIT = "credit", _("贷")


class Entry(models.Model):
    """分录: a positive amount on one side of one account."""

    posting = models.ForeignKey(Posting, models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries")
    side = models.CharField(_("借贷"), max_length=8, choices=Side.choices)
    amount_fen = models.PositiveBigIntegerField(_("金额（分）"))

    class Meta:
        verbose_name = _("分录")
        verbose_name_plural = _("分录")
        constraints = [
            models.CheckConstraint(name="entry_amount_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(name="entry_side_is_listed", condition=Q(side__in=Side.values)),
        ]
        indexes = [models.Index(name="entry_of_account", fields=["account", "id"])]
        triggers = [
            *append_only("entries_are_append_only"),
            # Before the first number is taken: a fold that waits for all writers misses none (Checkpoint).
            pgtrigger.Trigger(
                name="entries_are_seen_by_the_fold",
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=f"PERFORM pg_advisory_xact_lock_shared({LOCK}); RETURN NULL;",
            ),
            # Nobody gives what he has not got, whoever forgets to look: no buyer of his balance, no shop of its own
            # money, and no advance is taken back twice. Who takes takes turns, and then sees what others have just
            # taken. Each account is folded once, however many entries were written with it.
            pgtrigger.Trigger(
                name="nobody_is_below_nothing",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="added"),
                declare=[("taken", "record"), ("left_fen", "bigint")],
                func="""
                FOR taken IN
                    SELECT DISTINCT a.id, a.code, CASE a.kind WHEN 'advance' THEN -1 ELSE 1 END AS sign
                      FROM added JOIN ledger_account a ON a.id = added.account_id
                     WHERE (added.side = 'debit' AND a.kind IN ('balance', 'available', 'reserve'))
                        OR (added.side = 'credit' AND a.kind = 'advance')
                     ORDER BY a.id
                LOOP
                    PERFORM pg_advisory_xact_lock(20261124, taken.id::int);  -- of nobody else
                    SELECT taken.sign * (coalesce(known.owed_fen, 0) + coalesce(
                               (SELECT sum(CASE side WHEN 'credit' THEN amount_fen ELSE -amount_fen END)
                                  FROM ledger_entry
                                 WHERE account_id = taken.id AND id > coalesce(known.up_to, 0)), 0)) INTO left_fen
                      FROM (SELECT) AS always LEFT JOIN LATERAL (
                           SELECT up_to, credit_fen - debit_fen AS owed_fen FROM ledger_checkpoint
                            WHERE account_id = taken.id ORDER BY up_to DESC LIMIT 1) AS known ON true;
                    IF left_fen < 0 THEN
                        RAISE EXCEPTION 'nobody_is_below_nothing: % by % fen', taken.code, -left_fen
                            USING ERRCODE = 'check_violation';
                    END IF;
                END LOOP;
                RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(
                name="posting_sums_to_zero",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func="""
                IF (SELECT sum(CASE side WHEN 'debit' THEN amount_fen ELSE -amount_fen END)
                      FROM ledger_entry WHERE posting_id = NEW.posting_id) <> 0 THEN
                    RAISE EXCEPTION 'posting % does not sum to zero', NEW.posting_id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{Side(self.side).label} {yuan(self.amount_fen)}"


class Checkpoint(models.Model):
    """余额快照: what an account held up to and with one entry, so that a balance is never folded from the beginning.

    Rows are added, never changed; each can be computed again from the entries, and the invariants do.
    """

    account = models.ForeignKey(Account, models.PROTECT, related_name="checkpoints", verbose_name=_("账户"))
    up_to = models.BigIntegerField(_("至分录"))  # an entry's number; of this account or of any other
    debit_fen = models.BigIntegerField(_("借方合计（分）"))
    credit_fen = models.BigIntegerField(_("贷方合计（分）"))
    made_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("余额快照")
        verbose_name_plural = _("余额快照")
        constraints = [
            models.UniqueConstraint(name="one_checkpoint_per_account_and_entry", fields=["account", "up_to"]),
            models.CheckConstraint(
                name="checkpoint_sums_are_no_less_than_nothing", condition=Q(debit_fen__gte=0, credit_fen__gte=0)
            ),
        ]
        triggers = append_only("checkpoints_are_append_only")

    def __str__(self) -> str:
        return f"{self.account_id} ≤ {self.up_to}"
