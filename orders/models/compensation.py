"""平台赔付: what the platform gives a buyer of its own money, besides any refund; above the limit by two people."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from orders.models.order import Order

ALONE_A_DAY_FEN = 200_000  # what one person gives alone within 24 hours, of all orders together
LOCK = 4904  # advisory, with the key of who gives

#: Written by the database itself: the limit of the order's policy, or less if who gives has given much alone of late;
#: and what was given for this order before. Splitting helps nobody, neither one order's nor over many. The buyer of the
#: order gets it, on the balance that a guest does not have; the case is the order's.
BEGINS = f"""
SELECT policy.senior_above_fen INTO NEW.limit_fen FROM orders_order AS placed
  JOIN shops_refundpolicy AS policy ON policy.id = placed.policy_id WHERE placed.id = NEW.order_id;
SELECT coalesce(sum(amount_fen), 0) INTO NEW.earlier_fen FROM orders_compensation
 WHERE order_id = NEW.order_id AND refused_at IS NULL;
PERFORM pg_advisory_xact_lock({LOCK}, NEW.made_by_id::int);  -- what is given at once is counted, too
NEW.limit_fen := least(NEW.limit_fen, NEW.earlier_fen + greatest(0, {ALONE_A_DAY_FEN} - (
    SELECT coalesce(sum(amount_fen), 0) FROM orders_compensation
     WHERE made_by_id = NEW.made_by_id AND checked_by_id IS NULL AND paid_at > NEW.made_at - interval '24 hours')));
IF NOT EXISTS (SELECT FROM orders_order AS placed JOIN accounts_user AS buyer ON buyer.id = placed.buyer_id
                WHERE placed.id = NEW.order_id AND buyer.id = NEW.buyer_id AND NOT buyer.is_guest) THEN
    RAISE EXCEPTION 'compensation goes to the balance of the buyer of the order' USING ERRCODE = 'check_violation';
END IF;
IF NEW.refund_no <> '' AND NOT EXISTS (
    SELECT FROM refunds_refund WHERE refund_no = NEW.refund_no AND order_id = NEW.order_id
) THEN
    RAISE EXCEPTION 'refund % is not of this order', NEW.refund_no USING ERRCODE = 'check_violation';
END IF;
IF NEW.paid_at IS NOT NULL OR NEW.refused_at IS NOT NULL THEN
    RAISE EXCEPTION 'compensation is decided after it is written' USING ERRCODE = 'check_violation';
END IF;
RETURN NEW;
"""  # noqa: S608  constants
ENDS = """
IF OLD.paid_at IS NOT NULL OR OLD.refused_at IS NOT NULL THEN
    RAISE EXCEPTION 'compensation % is decided already', OLD.id USING ERRCODE = 'check_violation';
END IF;
IF NEW.paid_at IS NOT NULL AND NEW.amount_fen IS DISTINCT FROM (
    SELECT sum(entry.amount_fen) FROM ledger_posting AS posting
      JOIN ledger_entry AS entry ON entry.posting_id = posting.id AND entry.side = 'credit'
      JOIN ledger_account AS account ON account.id = entry.account_id AND account.code = 'balance:' || NEW.buyer_id
     WHERE posting.ref = 'compensation:' || NEW.id
) THEN
    RAISE EXCEPTION 'compensation % is not posted', NEW.id USING ERRCODE = 'check_violation';
END IF;
RETURN NEW;
"""


class Compensation(models.Model):
    """一笔平台赔付. Its terms never change; it is paid or refused once (``orders/compensating.py``)."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="compensations", verbose_name=_("订单"))
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("买家"))
    refund_no = models.CharField(_("退款单号"), max_length=20, blank=True)  # the case that it is about, if any
    amount_fen = models.PositiveIntegerField(_("金额（分）"))
    reason = models.CharField(_("原因"), max_length=300)  # the buyer reads it
    limit_fen = models.PositiveIntegerField(_("审批线（分）"), default=0)
    earlier_fen = models.PositiveIntegerField(_("此前已赔付（分）"), default=0)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("提出人"))
    made_at = models.DateTimeField(_("提出时间"))
    checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("复核人")
    )
    paid_at = models.DateTimeField(_("入账时间"), null=True, blank=True)
    refused_at = models.DateTimeField(_("驳回时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("平台赔付")
        verbose_name_plural = _("平台赔付")
        constraints = [
            models.CheckConstraint(name="compensation_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(name="compensation_says_why", condition=~Q(reason="")),
            models.CheckConstraint(  # I10
                name="compensation_is_nobodys_own",
                condition=~Q(made_by=F("buyer")) & (Q(checked_by__isnull=True) | ~Q(checked_by=F("buyer"))),
            ),
            models.CheckConstraint(
                name="compensation_is_checked_by_another",
                condition=Q(checked_by__isnull=True) | ~Q(checked_by=F("made_by")),
            ),
            models.CheckConstraint(
                name="large_compensation_is_checked",
                condition=Q(paid_at__isnull=True)
                | Q(checked_by__isnull=False)
                | Q(limit_fen__gte=F("amount_fen") + F("earlier_fen")),
            ),
            models.CheckConstraint(
                name="compensation_is_paid_or_refused", condition=Q(paid_at__isnull=True) | Q(refused_at__isnull=True)
            ),
            models.CheckConstraint(
                name="refused_compensation_names_who",
                condition=Q(refused_at__isnull=True) | Q(checked_by__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                name="compensation_to_check", fields=["id"], condition=Q(paid_at__isnull=True, refused_at__isnull=True)
            )
        ]
        triggers = [
            pgtrigger.Protect(name="compensation_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="compensation_terms_never_change",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "order", "buyer", "refund_no", "amount_fen", "reason", "limit_fen", "earlier_fen", "made_by",
                    "made_at",
                ),
            ),
            pgtrigger.Trigger(
                name="compensation_begins_rightly", when=pgtrigger.Before, operation=pgtrigger.Insert, func=BEGINS
            ),
            pgtrigger.Trigger(
                name="compensation_ends_once_with_its_posting",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func=ENDS,
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"平台赔付 {self.pk}"
