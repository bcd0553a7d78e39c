"""退款单, its lines, its record, its pre-check and its money."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.roles import Role
from append_only import append_only
from identifiers import public_number
from orders.models import Cancellation, Order, OrderLine
from payments.models import Payment, RefundAttempt
from records.models import Link
from shops.models import Shop
from workqueue import WorkItem


def new_refund_no() -> str:
    return public_number("R")


class Status(models.TextChoices):
    """状态. What leads from one to the next stands in ``lifecycle/``; what buyers see is ``stages.py``."""

    SUBMITTED = "submitted", _("已提交")
    MERCHANT_REVIEW = "merchant_review", _("商家处理")
    OFFERED = "offered", _("协商中")
    FIRST_REVIEW = "first_review", _("人工审核")
    AWAITING_EVIDENCE = "awaiting_evidence", _("待补充材料")
    SECOND_REVIEW = "second_review", _("复核")
    APPEAL_REVIEW = "appeal_review", _("申诉审核")
    APPROVED = "approved", _("审核通过")
    PROCESSING = "processing", _("退款处理中")
    PAID_OUT = "paid_out", _("渠道退款成功")
    ARRIVED = "arrived", _("已到账")
    REPLACED = "replaced", _("已补发")
    REJECTED = "rejected", _("未通过")
    WITHDRAWN = "withdrawn", _("已撤销")
    CLOSED = "closed", _("已关闭")
    RETURNED = "returned", _("退款异常")
    REDIRECT_SIGNED = "redirect_signed", _("待确认新去向")

    @classmethod
    def reviews(cls) -> list[str]:
        """Somebody decides: the shop, or people of the platform."""
        return [cls.MERCHANT_REVIEW, cls.FIRST_REVIEW, cls.SECOND_REVIEW, cls.APPEAL_REVIEW]

    @classmethod
    def undecided(cls) -> list[str]:
        """Asked for, and nobody has said yes or no to it for good."""
        return [cls.SUBMITTED, *cls.reviews(), cls.OFFERED, cls.AWAITING_EVIDENCE]

    @classmethod
    def active(cls) -> list[str]:
        """Before money leaves: at most one case of an order stands here (S0-27)."""
        return [*cls.undecided(), cls.APPROVED]

    @classmethod
    def holding_money(cls) -> list[str]:
        """Money of the order is promised to, or has gone out with, these cases."""
        return [*cls.active(), cls.PROCESSING, cls.PAID_OUT, cls.ARRIVED, cls.RETURNED, cls.REDIRECT_SIGNED]

    @classmethod
    def at_rest(cls) -> list[str]:
        """Nobody's turn, unless somebody takes a listed step; what is paid out rests too, once it should be there."""
        return [cls.REJECTED, cls.WITHDRAWN, cls.CLOSED, cls.REPLACED, cls.ARRIVED]


class Lane(models.TextChoices):
    """通道: how the decision is reached (conflict 6, docs/rules.md)."""

    UNDELIVERED = "undelivered", _("未发货自动退")
    ONE_CLICK = "one_click", _("一键退款")
    EXPRESS = "express", _("极速退款")
    STANDARD = "standard", _("人工审核")

    @classmethod
    def automatic(cls) -> list[str]:
        """Decided by rules alone, within their caps: ``LaneLimits``."""
        return [cls.UNDELIVERED, cls.ONE_CLICK, cls.EXPRESS]


class Destination(models.TextChoices):
    """退款去向. Anything but the original route is the buyer's own choice (I13)."""

    ORIGINAL = "original", _("原路退回")
    BALANCE = "balance", _("退至余额")
    OTHER_ACCOUNT = "account", _("退至本人账户")  # signed for, once the original route has failed

    @classmethod
    def to_ask_for(cls) -> list[tuple[str, object]]:
        """What a buyer may choose as he asks: another account only where the original route has failed."""
        return [(way.value, way.label) for way in cls if way != cls.OTHER_ACCOUNT]


class Queue(models.TextChoices):
    """Who must act next. Every case that is not at rest lies with exactly one (I4)."""

    MACHINE = "machine", _("系统")
    BUYER = "buyer", _("买家")
    MERCHANT = "merchant", _("商家")
    REVIEWER = "reviewer", _("客服")
    SENIOR = "senior", _("高级审核员")
    FINANCE = "finance", _("财务")
    OPERATOR = "operator", _("运营")  # late in spite of a senior: an alarm, whoever decides in the end
    NOBODY = "nobody", _("无需处理")


NOTHING_HELD = ["paid_out", "arrived", "rejected", "withdrawn", "closed", "replaced"]  # part of the schema


class Refund(WorkItem):
    """退款单. One case of one order; its history is ``RefundEvent``, its money ``Disbursement``."""

    refund_no = models.CharField(_("退款单号"), max_length=20, unique=True, default=new_refund_no, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="refunds", verbose_name=_("订单"))
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds", verbose_name=_("收款"))
    # The order's shop, by the database itself: a shop's cases are listed without looking at all its orders.
    shop = models.ForeignKey(
        Shop, models.PROTECT, related_name="+", editable=False, db_index=False, verbose_name=_("店铺")
    )
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="refunds", verbose_name=_("买家"))
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("申请人")
    )  # empty: the machine, because the order was canceled
    cancellation = models.ForeignKey(
        Cancellation, models.PROTECT, null=True, blank=True, related_name="refunds", verbose_name=_("取消")
    )  # what the machine asked for it because of
    reason = models.CharField(_("退款原因"), max_length=40)  # a key of reasons.py
    description = models.TextField(_("问题描述"), blank=True, max_length=1000)
    contact = models.CharField(_("联系方式"), max_length=60, blank=True)
    amount_fen = models.PositiveIntegerField(_("退款金额（分）"))  # what the buyer gets
    fee_fen = models.PositiveIntegerField(_("手续费（分）"), default=0)  # of the same lines, kept by the policy (S4-5)
    held_fen = models.PositiveIntegerField(_("冻结货款（分）"), default=0)  # of the shop's money: holding.py
    destination = models.CharField(
        _("退款去向"), max_length=12, choices=Destination.choices, default=Destination.ORIGINAL
    )
    is_complete = models.BooleanField(_("材料齐全"), default=False)  # S0-17: decided sooner
    is_frequent = models.BooleanField(_("常客"), default=False, db_default=False)  # stands further ahead, decided alike
    review_hours = models.PositiveSmallIntegerField(_("审核时限（小时）"), null=True, blank=True)  # empty: the policy's
    payer_key = models.BinaryField(null=True, editable=False)  # whose account paid, and with which browser it was
    device_key = models.BinaryField(null=True, editable=False)  # asked: keyed hashes, for the caps alone (P12)
    lane = models.CharField(_("通道"), max_length=16, choices=Lane.choices, default=Lane.STANDARD)
    status = models.CharField(_("状态"), max_length=20, choices=Status.choices, default=Status.SUBMITTED)
    queue = models.CharField(_("待办方"), max_length=16, choices=Queue.choices, default=Queue.MACHINE)
    promised_by = models.DateTimeField(_("承诺时间"), null=True, blank=True)  # of the present status
    # The clocks: clocking.py
    entered_at = models.DateTimeField(_("进入本阶段"), null=True, blank=True)
    reminded_percent = models.PositiveSmallIntegerField(_("已提醒到（%）"), default=0)
    review_due_at = models.DateTimeField(_("审核承诺"), null=True, blank=True)  # while that clock runs
    review_left = models.DurationField(_("审核剩余"), null=True, blank=True)  # while it stands
    decide_by = models.DateTimeField(_("最迟结论"), null=True, blank=True)
    appeal_until = models.DateTimeField(_("申诉截止"), null=True, blank=True)  # empty: no appeal (any more)
    urged_at = models.DateTimeField(_("最近催办"), null=True, blank=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("认领人")
    )  # who looks at it now: colleagues leave it to them
    claimed_at = models.DateTimeField(_("认领时间"), null=True, blank=True)
    evidence_request = models.TextField(_("补充材料要求"), blank=True, max_length=500)
    decision_note = models.TextField(_("审核说明"), blank=True, max_length=500)  # what the buyer is told
    refusal_ground = models.CharField(_("驳回依据"), max_length=20, blank=True)  # a key of grounds.py
    submitted_at = models.DateTimeField(_("申请时间"))
    decided_at = models.DateTimeField(_("审核时间"), null=True, blank=True)
    paid_out_at = models.DateTimeField(_("渠道退款时间"), null=True, blank=True)
    arrival_expected_from = models.DateField(_("预计到账（最早）"), null=True, blank=True)
    arrival_expected_until = models.DateField(_("预计到账（最晚）"), null=True, blank=True)
    arrival_is_estimate = models.BooleanField(_("到账日按未公布的放假安排估计"), default=False)
    arrived_at = models.DateTimeField(_("到账时间"), null=True, blank=True)
    received_account = models.CharField(_("入账账户"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("退款单")
        verbose_name_plural = _("退款单")
        constraints = [
            models.CheckConstraint(name="refund_status_is_listed", condition=Q(status__in=Status.values)),
            models.CheckConstraint(name="refund_amount_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(  # a fee is at most half of what was asked for
                name="refund_fee_is_a_share", condition=Q(fee_fen__lte=models.F("amount_fen"))
            ),
            models.CheckConstraint(  # holding.py: all of it while money may still leave for it, else nothing
                name="shops_money_is_held_for_open_case",
                condition=Q(status__in=NOTHING_HELD, held_fen=0)
                | ~Q(status__in=NOTHING_HELD) & Q(held_fen=models.F("amount_fen") + models.F("fee_fen")),
            ),
            models.CheckConstraint(
                name="refund_destination_is_listed", condition=Q(destination__in=Destination.values)
            ),
            models.CheckConstraint(  # I13: not the machine's choice, nor anybody else's
                name="only_the_buyer_turns_money_to_the_balance",
                condition=Q(destination__in=["original", "account"])
                | Q(asked_by__isnull=False, asked_by=models.F("buyer")),
            ),
            models.CheckConstraint(name="refund_lane_is_listed", condition=Q(lane__in=Lane.values)),
            models.UniqueConstraint(  # S0-27, P1
                name="one_active_refund_per_order",
                fields=["order"],
                condition=Q(
                    status__in=[
                        "submitted",
                        "merchant_review",
                        "first_review",
                        "second_review",
                        "appeal_review",
                        "offered",
                        "awaiting_evidence",
                        "approved",
                    ]
                ),  # Status.active(), spelled out: it is part of the schema
            ),
            models.CheckConstraint(  # I4: at rest, or with an owner and a time
                name="moving_refund_has_owner_and_due_time",
                condition=Q(status__in=["rejected", "withdrawn", "closed", "replaced", "arrived"])
                | Q(status="paid_out")
                | (Q(next_due_at__isnull=False) & ~Q(queue="nobody")),
            ),
            models.CheckConstraint(
                name="claimed_refund_says_since_when",
                condition=Q(claimed_by__isnull=True) | Q(claimed_at__isnull=False),
            ),
            models.CheckConstraint(
                name="arrived_refund_has_its_time", condition=~Q(status="arrived") | Q(arrived_at__isnull=False)
            ),
        ]
        indexes = [
            models.Index(name="refund_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="refund_of_buyer", fields=["buyer", "-submitted_at", "-id"]),
            models.Index(name="refund_of_order", fields=["order"]),
            models.Index(name="refund_of_shop", fields=["shop", "-submitted_at", "-id"]),
            models.Index(name="refund_to_review", fields=["promised_by", "id"], condition=Q(status="first_review")),
            models.Index(  # what people of the platform decide: the desk's queue
                name="refund_to_decide",
                fields=["promised_by", "id"],
                condition=Q(status__in=["first_review", "second_review", "appeal_review"]),
            ),
            models.Index(  # with people of the platform, in the order of the desk: worklist.DESK_ORDER
                name="refund_on_desk",
                fields=["urged_at", "-is_complete", "-is_frequent", "promised_by", "id"],
                condition=Q(queue__in=["reviewer", "senior", "operator"]),
            ),
            models.Index(
                name="refund_missing", fields=["promised_by", "id"], condition=Q(status="paid_out", queue="reviewer")
            ),
            models.Index(  # what waits for a shop, or for the buyer's answer to it
                name="refund_with_shop",
                fields=["shop", "promised_by", "id"],
                condition=Q(queue="merchant"),
            ),
            models.Index(name="refund_to_release", fields=["promised_by", "id"], condition=Q(status="approved")),
            # The desk's other queues, by deadline
            models.Index(
                name="refund_asked_of_shop", fields=["promised_by", "id"], condition=Q(status="merchant_review")
            ),
            models.Index(
                name="refund_awaits_answer",
                fields=["promised_by", "id"],
                condition=Q(status__in=["awaiting_evidence", "offered"]),
            ),
            models.Index(name="refund_at_channel", fields=["promised_by", "id"], condition=Q(status="processing")),
            models.Index(
                name="refund_returned",
                fields=["promised_by", "id"],
                condition=Q(status__in=["returned", "redirect_signed"]),
            ),
            models.Index(  # how many wait on the desk in each status, and how many of them are late
                name="refund_by_status_on_desk",
                fields=["status", "queue", "promised_by"],
                condition=Q(queue__in=["reviewer", "senior", "operator"]),
            ),
            models.Index(name="refund_with_finance", fields=["promised_by", "id"], condition=Q(queue="finance")),
            *(  # who else asks from one device, or with one payer: refunds/risk.py
                models.Index(name=name, fields=[field, "submitted_at"], condition=Q(**{f"{field}__isnull": False}))
                for name, field in {"refund_of_device": "device_key", "refund_of_payer": "payer_key"}.items()
            ),
            models.Index(  # what the automatic lanes have given in a day
                name="refund_by_machine",
                fields=["decided_at"],
                condition=Q(lane__in=["undelivered", "one_click", "express"]),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="refund_is_never_deleted", operation=pgtrigger.Delete),  # PM6
            pgtrigger.Trigger(
                name="refund_belongs_to_its_orders_shop",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                func="SELECT shop_id INTO NEW.shop_id FROM orders_order WHERE id = NEW.order_id; RETURN NEW;",
            ),
            pgtrigger.Trigger(  # I13: a guest has no account
                name="guest_has_no_balance",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.destination <> 'original'"),
                func="""
                IF EXISTS (SELECT FROM accounts_user WHERE id = NEW.buyer_id AND is_guest) THEN
                    RAISE EXCEPTION 'a guest has no balance' USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Protect(  # I13: an account is signed for, after the original route has failed
                name="nobody_asks_for_another_account",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition("NEW.destination = 'account'"),
            ),
            # Decided on, released and sent is what was asked for; only a guest's case may be claimed (PM17).
            pgtrigger.Trigger(
                name="refund_terms_never_change",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf(
                    "order_id", "payment_id", "buyer_id", "asked_by_id", "amount_fen", "fee_fen", "destination"
                ),
                condition=pgtrigger.AnyChange(
                    "order", "payment", "buyer", "asked_by", "amount_fen", "fee_fen", "destination"
                ),
                func="""
                -- 协商: a smaller amount that the buyer has accepted, without a fee
                IF NEW.amount_fen < OLD.amount_fen AND NEW.fee_fen = 0 AND OLD.status = 'offered'
                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.destination)
                       IS NOT DISTINCT FROM
                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.destination)
                   AND EXISTS (SELECT FROM refunds_offer WHERE refund_id = OLD.id AND kind = 'part'
                               AND answer = 'accepted' AND amount_fen = NEW.amount_fen) THEN
                    RETURN NEW;
                END IF;
                -- 变更去向: signed by the buyer, confirmed by finance, after the original route had failed
                IF NEW.destination <> OLD.destination AND OLD.status = 'redirect_signed'
                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.amount_fen, NEW.fee_fen)
                       IS NOT DISTINCT FROM
                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.amount_fen, OLD.fee_fen)
                   AND EXISTS (SELECT FROM refunds_redirectagreement WHERE refund_id = OLD.id
                               AND destination = NEW.destination AND confirmed_at IS NOT NULL) THEN
                    RETURN NEW;
                END IF;
                -- 改付未成: the transfer was refused, or the bank gave it back, and the buyer is asked again
                IF OLD.destination = 'account' AND NEW.destination = 'original' AND NEW.status = 'returned'
                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.amount_fen, NEW.fee_fen)
                       IS NOT DISTINCT FROM
                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.amount_fen, OLD.fee_fen)
                   AND NOT EXISTS (SELECT FROM refunds_redirecttransfer r
                                   JOIN payments_transfer t ON t.id = r.transfer_id
                                   WHERE r.refund_id = OLD.id AND t.status NOT IN ('refused', 'failed')) THEN
                    RETURN NEW;
                END IF;
                -- 恢复: the original route had not failed after all, and has paid
                IF NEW.destination = 'original' AND OLD.status = 'returned'
                   AND (NEW.order_id, NEW.payment_id, NEW.buyer_id, NEW.asked_by_id, NEW.amount_fen, NEW.fee_fen)
                       IS NOT DISTINCT FROM
                       (OLD.order_id, OLD.payment_id, OLD.buyer_id, OLD.asked_by_id, OLD.amount_fen, OLD.fee_fen)
                   AND EXISTS (SELECT FROM refunds_disbursement d JOIN payments_refundattempt a ON a.id = d.attempt_id
                               WHERE d.refund_id = OLD.id AND a.status = 'succeeded') THEN
                    RETURN NEW;
                END IF;
                IF NEW.order_id IS NOT DISTINCT FROM OLD.order_id AND NEW.payment_id IS NOT DISTINCT FROM OLD.payment_id
                   AND NEW.asked_by_id IS NOT DISTINCT FROM OLD.asked_by_id AND NEW.amount_fen = OLD.amount_fen
                   AND NEW.fee_fen = OLD.fee_fen AND NEW.destination = OLD.destination
                   AND EXISTS (SELECT FROM accounts_user WHERE id = OLD.buyer_id AND is_guest
                               AND claimed_by_id = NEW.buyer_id) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;
                """,
            ),
            pgtrigger.Trigger(
                name="refund_is_made_of_lines",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("amount_fen", "fee_fen"),
                timing=pgtrigger.Deferred,
                func="""
                IF (SELECT (sum(amount_fen), sum(fee_fen)) FROM refunds_refundline WHERE refund_id = NEW.id)
                   IS DISTINCT FROM
                   (SELECT (amount_fen::bigint, fee_fen::bigint) FROM refunds_refund WHERE id = NEW.id) THEN
                    RAISE EXCEPTION 'refund % is not the sum of its lines', NEW.id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]

    def __str__(self) -> str:
        return self.refund_no


class RefundLine(models.Model):
    """退款行: the share of one order line. The lines sum exactly to the refund (I12).

    ``amount_fen`` goes to the buyer, ``fee_fen`` stays: together they are what the case takes of the line's price.
    """

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="lines")
    order_line = models.ForeignKey(OrderLine, models.PROTECT, related_name="refund_lines")
    amount_fen = models.PositiveIntegerField(_("金额（分）"))
    fee_fen = models.PositiveIntegerField(_("手续费（分）"), default=0)

    class Meta:
        verbose_name = _("退款行")
        verbose_name_plural = _("退款行")
        constraints = [
            models.UniqueConstraint(name="one_refund_line_per_order_line", fields=["refund", "order_line"]),
            models.CheckConstraint(name="refund_line_amount_is_positive", condition=Q(amount_fen__gt=0)),
        ]
        triggers = [
            append_only("refund_lines_are_append_only")[1],
            pgtrigger.Protect(name="refund_lines_stay", operation=pgtrigger.Delete),
            pgtrigger.Trigger(  # 协商: of what is offered less, each line gives up a part
                name="refund_lines_shrink_with_an_offer",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                IF (NEW.id, NEW.refund_id, NEW.order_line_id) = (OLD.id, OLD.refund_id, OLD.order_line_id)
                   AND NEW.amount_fen <= OLD.amount_fen AND NEW.fee_fen <= OLD.fee_fen
                   AND EXISTS (SELECT FROM refunds_offer WHERE refund_id = OLD.refund_id AND kind = 'part'
                               AND answer = 'accepted')
                   AND EXISTS (SELECT FROM refunds_refund WHERE id = OLD.refund_id AND status = 'offered') THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;
                """,
            ),
            pgtrigger.Trigger(
                name="refund_lines_sum_to_refund",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                timing=pgtrigger.Deferred,
                func="""
                IF (SELECT (sum(amount_fen), sum(fee_fen)) FROM refunds_refundline WHERE refund_id = NEW.refund_id)
                   IS DISTINCT FROM
                   (SELECT (amount_fen::bigint, fee_fen::bigint) FROM refunds_refund WHERE id = NEW.refund_id) THEN
                    RAISE EXCEPTION 'lines of refund % do not sum to it', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,
            ),
        ]


class RefundEvent(Link):
    """One step taken: audit trail, link of the case's chain, and the source of every notice and follow-up (I7)."""

    STREAM = "refund"
    SUBJECT = "refund"
    PUBLIC = ("step", "from_status", "to_status", "actor_id", "role")
    PERSONAL = ("note",)
    NUMBER = "refund_no"

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="events")
    step = models.CharField(_("步骤"), max_length=32)
    from_status = models.CharField(_("原状态"), max_length=20, blank=True)
    to_status = models.CharField(_("新状态"), max_length=20)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    role = models.CharField(_("身份"), max_length=16, choices=Role.choices)
    note = models.TextField(_("说明"), blank=True, max_length=500)  # may be shown to the buyer

    class Meta:
        verbose_name = _("退款记录")
        verbose_name_plural = _("退款记录")
        constraints = [
            models.UniqueConstraint(name="refund_events_are_numbered", fields=["refund", "sequence"]),
            models.CheckConstraint(
                name="only_the_machine_acts_without_account", condition=Q(actor__isnull=False) | Q(role=Role.SYSTEM)
            ),
        ]
        indexes = [
            models.Index(name="refund_event_of_day", fields=["recorded_at"]),
            models.Index(  # shops that did not answer in time: facts.py
                name="refund_event_of_silence",
                fields=["at"],
                condition=Q(role="system", step__in=["agree", "agree_above_limit"]),
            ),
        ]
        triggers = append_only("refund_events_are_append_only")

    def __str__(self) -> str:
        return f"第 {self.sequence} 步"


class PreCheck(models.Model):
    """系统初审: every rule with its input, its result and the sentence shown, as they were when it ran."""

    refund = models.OneToOneField(Refund, models.PROTECT, related_name="pre_check")
    facts = models.JSONField(_("依据"), default=dict)  # policy.Facts; empty: from before they were kept
    results = models.JSONField(_("规则结果"))  # [{"rule", "passed", "input", "sentence", "sentence_en"}]
    verdict = models.CharField(_("结论"), max_length=32)  # the step it led to
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("系统初审")
        verbose_name_plural = _("系统初审")
        triggers = append_only("pre_check_is_append_only")


#: SQL: whether a refund or a transfer of ``NEW.refund_id`` may still pay its buyer, or has.
MAY_BE_PAID = """EXISTS (
    SELECT FROM refunds_disbursement d JOIN payments_refundattempt a ON a.id = d.attempt_id
    WHERE d.refund_id = NEW.refund_id AND a.status NOT IN ('closed', 'back_with_merchant') {but}
) OR EXISTS (
    SELECT FROM refunds_redirecttransfer r JOIN payments_transfer t ON t.id = r.transfer_id
    WHERE r.refund_id = NEW.refund_id AND t.status NOT IN ('refused', 'failed')
)"""


class Disbursement(models.Model):
    """发款: the join between a case and one attempt at a channel. An attempt cannot point up at a case."""

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="disbursements", verbose_name=_("退款单"))
    attempt = models.OneToOneField(
        RefundAttempt, models.PROTECT, related_name="disbursement", verbose_name=_("渠道退款")
    )
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name=_("放款人")
    )  # empty: an automatic lane
    created_at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("发款")
        verbose_name_plural = _("发款")
        triggers = [
            *append_only("disbursement_is_append_only"),
            pgtrigger.Trigger(  # I11: what goes to the balance is not sent as well
                name="disbursement_goes_by_the_original_route",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                IF EXISTS (SELECT FROM refunds_refund WHERE id = NEW.refund_id AND destination <> 'original') THEN
                    RAISE EXCEPTION 'refund % does not go by the original route', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # I11: all of it, of its own payment, and beside nothing that may pay it or has
                name="case_is_sent_once",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=f"""
                IF NOT EXISTS (SELECT FROM refunds_refund r JOIN payments_refundattempt a ON a.id = NEW.attempt_id
                               WHERE r.id = NEW.refund_id AND a.payment_id = r.payment_id
                               AND a.amount_fen = r.amount_fen) THEN
                    RAISE EXCEPTION 'case_is_sent_once: refund % is about something else', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                IF {MAY_BE_PAID.format(but="AND d.id <> NEW.id")}
                   OR EXISTS (SELECT FROM refunds_balancecredit WHERE refund_id = NEW.refund_id) THEN
                    RAISE EXCEPTION 'case_is_sent_once: refund % may be paid already', NEW.refund_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
                """,  # noqa: S608 - all ours
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
