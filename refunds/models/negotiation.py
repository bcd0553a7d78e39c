"""协商、申诉、核实与变更去向: what was offered, appealed, asked of third parties, objected and signed on a case."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import RealNameCheck
from accounts.roles import Role
from append_only import append_only
from payments.models import Payee, Transfer
from refunds.models.case import Destination, Refund


def written_once(name: str, *later: str) -> list[pgtrigger.Trigger]:
    """Never removed, and never changed but for the columns that are filled in ``later``, once."""
    blank = " AND ".join(
        f"(OLD.{column} IS NULL OR OLD.{column}::text = '' OR NEW.{column} IS NOT DISTINCT FROM OLD.{column})"
        for column in later
    )
    reset = " ".join(f"seen.{column} := OLD.{column};" for column in later)
    return [
        append_only(name)[1],
        pgtrigger.Protect(name=f"{name}_stay", operation=pgtrigger.Delete),
        pgtrigger.Trigger(
            name=name,
            when=pgtrigger.Before,
            operation=pgtrigger.Update,
            declare=[("seen", "record")],
            func=f"""
            seen := NEW;
            {reset}
            IF seen IS DISTINCT FROM OLD OR NOT ({blank}) THEN
                RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;
            END IF;
            RETURN NEW;
            """,
        ),
    ]


class OfferKind(models.TextChoices):
    PART = "part", _("部分退款")
    REPLACEMENT = "replacement", _("补发")


class Answer(models.TextChoices):
    ACCEPTED = "accepted", _("已接受")
    DECLINED = "declined", _("已拒绝")
    LAPSED = "lapsed", _("逾期未答")
    DROPPED = "dropped", _("未发出")  # proposed above the limit, and the second person did not agree


class Offer(models.Model):
    """协商: less money, or another code, if the buyer agrees. Above the limit it needs two people before it is made:
    ``made_by`` proposes, ``confirmed_by`` makes it."""

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="offers", verbose_name=_("退款单"))
    kind = models.CharField(_("方案"), max_length=12, choices=OfferKind.choices)
    amount_fen = models.PositiveIntegerField(_("金额（分）"), null=True, blank=True)  # of a part
    note = models.CharField(_("说明"), max_length=500, blank=True)  # the buyer reads it
    role = models.CharField(_("身份"), max_length=16, choices=Role.choices)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("提出人"))
    made_at = models.DateTimeField(_("提出时间"))
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("确认人")
    )
    confirmed_at = models.DateTimeField(_("确认时间"), null=True, blank=True)
    answer = models.CharField(_("答复"), max_length=12, choices=Answer.choices, blank=True)
    answered_at = models.DateTimeField(_("答复时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("协商方案")
        verbose_name_plural = _("协商方案")
        constraints = [
            models.UniqueConstraint(name="one_open_offer_per_refund", fields=["refund"], condition=Q(answer="")),
            models.CheckConstraint(
                name="offer_is_money_or_a_code",
                condition=Q(kind="part", amount_fen__isnull=False, amount_fen__gt=0)  # a check lets NULL > 0 pass
                | Q(kind="replacement", amount_fen__isnull=True),
            ),
            models.CheckConstraint(name="offer_answer_is_listed", condition=Q(answer__in=["", *Answer.values])),
            models.CheckConstraint(
                name="answered_offer_says_when", condition=Q(answer="") | Q(answered_at__isnull=False)
            ),
            models.CheckConstraint(
                name="offer_is_not_confirmed_by_its_maker",
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=models.F("made_by")),
            ),
        ]
        triggers = written_once("offers_never_change", "confirmed_by_id", "confirmed_at", "answer", "answered_at")

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class Ground(models.TextChoices):
    NEW_EVIDENCE = "new_evidence", _("有新的凭证")
    OVERLOOKED = "overlooked", _("审核遗漏了已有的事实")


class Appeal(models.Model):
    """申诉: once a case, by the buyer, in the window; new evidence, or what the review overlooked (P18, S1-17)."""

    refund = models.OneToOneField(Refund, models.PROTECT, related_name="appeal", verbose_name=_("退款单"))
    ground = models.CharField(_("理由类别"), max_length=16, choices=Ground.choices)
    text = models.TextField(_("申诉理由"), max_length=1000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("申诉人"))
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("申诉")
        verbose_name_plural = _("申诉")
        constraints = [
            models.CheckConstraint(name="appeal_says_something", condition=~Q(text="")),
            models.CheckConstraint(name="appeal_ground_is_listed", condition=Q(ground__in=Ground.values)),
        ]
        triggers = append_only("appeals_are_append_only")

    def __str__(self) -> str:
        return f"申诉 {self.refund}"


class Objection(models.Model):
    """商家异议: after a verdict against it the shop lays new evidence before a senior, once. It never pays anybody: a
    senior reopens nothing by it and takes no money back from the buyer; what is upheld is the shop's to recover."""

    refund = models.OneToOneField(Refund, models.PROTECT, related_name="objection", verbose_name=_("退款单"))
    text = models.TextField(_("异议"), max_length=1000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("提出人"))
    at = models.DateTimeField(_("时间"))
    due_at = models.DateTimeField(_("最迟答复"))
    verdict = models.CharField(
        _("结论"), max_length=12, blank=True, choices=[("upheld", _("成立，可追偿")), ("dismissed", _("不成立"))]
    )
    verdict_note = models.CharField(_("结论说明"), max_length=500, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("审核人")
    )
    decided_at = models.DateTimeField(_("答复时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("商家异议")
        verbose_name_plural = _("商家异议")
        constraints = [
            models.CheckConstraint(name="objection_says_something", condition=~Q(text="")),
            models.CheckConstraint(
                name="decided_objection_says_who_and_why",
                condition=Q(verdict="") | (Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(verdict_note="")),
            ),
        ]
        indexes = [models.Index(name="objection_open", fields=["due_at", "id"], condition=Q(verdict=""))]
        triggers = written_once("objections_never_change", "verdict", "verdict_note", "decided_by_id", "decided_at")

    def __str__(self) -> str:
        return f"异议 {self.refund}"


class Consultation(models.Model):
    """第三方核实: a question to a supplier or a technician, with a clock of its own (S2-8, S3-11)."""

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="consultations", verbose_name=_("退款单"))
    whom = models.CharField(
        _("核实对象"), max_length=12, choices=[("supplier", _("供应商 / 发卡方")), ("technician", _("技术人员"))]
    )
    question = models.CharField(_("问题"), max_length=500)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("提问人"))
    asked_at = models.DateTimeField(_("提问时间"))
    due_at = models.DateTimeField(_("最迟答复"))
    answer = models.CharField(_("答复"), max_length=1000, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("记录人")
    )  # who wrote the answer down
    answered_at = models.DateTimeField(_("答复时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("第三方核实")
        verbose_name_plural = _("第三方核实")
        constraints = [
            models.CheckConstraint(name="consultation_asks_something", condition=~Q(question="")),
            models.CheckConstraint(
                name="answered_consultation_says_who",
                condition=Q(answer="") | Q(answered_by__isnull=False, answered_at__isnull=False),
            ),
            models.UniqueConstraint(name="one_open_consultation", fields=["refund"], condition=Q(answer="")),
        ]
        indexes = [models.Index(name="consultation_open", fields=["due_at", "id"], condition=Q(answer=""))]
        triggers = written_once("consultations_never_change", "answer", "answered_by_id", "answered_at")

    def __str__(self) -> str:
        return f"核实 {self.refund}"


class RedirectAgreement(models.Model):
    """退款方式变更协议 (S2-28, I13): signed by the buyer once the original route has failed, confirmed by finance.

    To an account of his own: he has proved anew who he is, and that the account's holder is the real name of his
    account with us; nobody confirms it within a day after the account was laid down.
    """

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="redirects", verbose_name=_("退款单"))
    destination = models.CharField(_("新去向"), max_length=12, choices=Destination.choices)
    payee = models.ForeignKey(
        Payee, models.PROTECT, null=True, blank=True, related_name="redirects", verbose_name=_("收款账户")
    )
    verified_by = models.CharField(_("身份复核方式"), max_length=20, blank=True, default="", db_default="")
    real_name = models.ForeignKey(
        RealNameCheck, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("实名认证")
    )
    text = models.TextField(_("协议文本"))  # as it was signed
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("签署人"))
    signed_at = models.DateTimeField(_("签署时间"))
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("确认人")
    )
    confirmed_at = models.DateTimeField(_("确认时间"), null=True, blank=True)
    lapsed_at = models.DateTimeField(_("失效时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("退款方式变更协议")
        verbose_name_plural = _("退款方式变更协议")
        constraints = [
            models.UniqueConstraint(
                name="one_open_redirect_per_refund",
                fields=["refund"],
                condition=Q(confirmed_at__isnull=True, lapsed_at__isnull=True),
            ),
            models.CheckConstraint(  # I13
                name="redirect_to_an_account_names_it_and_who_proved_what",
                condition=Q(destination="balance", payee__isnull=True)
                | Q(destination="account", payee__isnull=False, real_name__isnull=False) & ~Q(verified_by=""),
            ),
            models.CheckConstraint(
                name="redirect_is_confirmed_by_somebody_else",
                condition=Q(confirmed_by__isnull=True) | ~Q(confirmed_by=models.F("signed_by")),
            ),
            models.CheckConstraint(
                name="redirect_is_confirmed_or_lapsed",
                condition=Q(confirmed_at__isnull=True) | Q(lapsed_at__isnull=True, confirmed_by__isnull=False),
            ),
        ]
        triggers = [
            *written_once("redirects_never_change", "confirmed_by_id", "confirmed_at", "lapsed_at"),
            pgtrigger.Trigger(
                name="redirect_goes_to_the_buyers_own_account",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.payee_id IS NOT NULL"),
                func="""
                IF NOT EXISTS (SELECT FROM refunds_refund WHERE id = NEW.refund_id AND buyer_id = NEW.signed_by_id)
                   OR NOT EXISTS (SELECT FROM payments_payee WHERE id = NEW.payee_id AND user_id = NEW.signed_by_id)
                   OR NOT EXISTS (SELECT FROM accounts_realnamecheck WHERE id = NEW.real_name_id
                                  AND user_id = NEW.signed_by_id AND outcome = 'passed') THEN
                    RAISE EXCEPTION 'redirect_goes_to_the_buyers_own_account: % is another''s', NEW.payee_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # P15: a day to notice that somebody else laid it down
                name="redirect_cools_before_it_is_confirmed",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("confirmed_at"),
                condition=pgtrigger.Condition("NEW.payee_id IS NOT NULL AND NEW.confirmed_at IS NOT NULL"),
                func="""
                IF NEW.confirmed_at < (SELECT set_at FROM payments_payee WHERE id = NEW.payee_id)
                                      + interval '24 hours' THEN
                    RAISE EXCEPTION 'redirect_cools_before_it_is_confirmed: laid down less than a day ago'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"变更协议 {self.refund}"


class RedirectTransfer(models.Model):
    """改付: the join between a case and one transfer to the account that was signed for. A transfer cannot point up."""

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="redirect_transfers", verbose_name=_("退款单"))
    agreement = models.ForeignKey(
        RedirectAgreement, models.PROTECT, related_name="transfers", verbose_name=_("变更协议")
    )
    transfer = models.OneToOneField(Transfer, models.PROTECT, related_name="redirect", verbose_name=_("转账"))
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("放款人")
    )
    created_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("改付")
        verbose_name_plural = _("改付")
        triggers = [
            *append_only("redirect_transfers_are_append_only"),
            pgtrigger.Trigger(  # I11, I13: what was signed and confirmed, in full, once; not by who confirmed it
                name="redirect_transfer_is_what_was_signed",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                IF NOT EXISTS (
                    SELECT FROM refunds_refund r
                    JOIN refunds_redirectagreement a ON a.id = NEW.agreement_id AND a.refund_id = r.id
                    JOIN payments_transfer t ON t.id = NEW.transfer_id
                    WHERE r.id = NEW.refund_id AND r.destination = 'account'
                    AND a.confirmed_at IS NOT NULL AND a.confirmed_by_id <> NEW.released_by_id
                    AND a.signed_by_id <> NEW.released_by_id
                    AND t.purpose = 'redirect' AND t.payee_id = a.payee_id AND t.user_id = r.buyer_id
                    AND t.payment_id = r.payment_id AND t.amount_fen = r.amount_fen) THEN
                    RAISE EXCEPTION 'redirect_transfer_is_what_was_signed: not that of refund %', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                IF EXISTS (SELECT FROM refunds_redirecttransfer o JOIN payments_transfer t ON t.id = o.transfer_id
                           WHERE o.refund_id = NEW.refund_id AND t.status NOT IN ('refused', 'failed'))
                   OR EXISTS (SELECT FROM refunds_disbursement d JOIN payments_refundattempt p ON p.id = d.attempt_id
                              WHERE d.refund_id = NEW.refund_id
                              AND p.status NOT IN ('closed', 'back_with_merchant')) THEN
                    RAISE EXCEPTION 'redirect_transfer_is_what_was_signed: refund % may be paid already',
                        NEW.refund_id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
