"""退至余额: what a case gave to its buyer's balance."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from refunds.models.case import MAY_BE_PAID, Refund


class BalanceCredit(models.Model):
    """入余额: a case is credited once, in full, to the buyer who asked for it so (I13). Posted as ``credit:R…``."""

    refund = models.OneToOneField(
        Refund, models.PROTECT, related_name="balance_credit", verbose_name=_("退款单")
    )  # never twice
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="balance_credits", verbose_name=_("买家")
    )
    amount_fen = models.PositiveIntegerField(_("金额（分）"))
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("放款人")
    )  # empty: an automatic lane
    created_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("入余额")
        verbose_name_plural = _("入余额")
        constraints = [models.CheckConstraint(name="credit_amount_is_positive", condition=Q(amount_fen__gt=0))]
        triggers = [
            *append_only("balance_credits_are_append_only"),
            pgtrigger.Trigger(
                name="credit_is_what_its_buyer_asked_for",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                IF NOT EXISTS (SELECT FROM refunds_refund WHERE id = NEW.refund_id AND destination = 'balance'
                               AND buyer_id = NEW.user_id AND amount_fen = NEW.amount_fen) THEN
                    RAISE EXCEPTION 'credit of refund % is not what its buyer asked for', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # I11: beside nothing that may pay it, or has
                name="credited_case_is_not_paid",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=f"""
                IF {MAY_BE_PAID.format(but="")} THEN
                    RAISE EXCEPTION 'credited_case_is_not_paid: refund %', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
            pgtrigger.Trigger(  # I13: what was signed for the balance takes a second person
                name="credit_is_not_by_who_confirmed",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                IF EXISTS (SELECT FROM refunds_redirectagreement WHERE refund_id = NEW.refund_id
                           AND destination = 'balance' AND confirmed_by_id = NEW.released_by_id) THEN
                    RAISE EXCEPTION 'credit of refund % is released by who confirmed it', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
