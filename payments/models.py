"""Money in and out. A Payment is what a buyer paid; a RefundAttempt is one request to a channel to give some back.

People move cases (``refunds``); the network moves attempts. ``refunding.py`` is the only code that writes an attempt's
status, ``settling.py`` a payment's.
"""

from __future__ import annotations

from typing import ClassVar

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import Exact
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import public_number
from orders.models import Order
from payments.gateways.base import PayMethod
from payments.transfer_models import Payee, PayeeLook, Transfer, TransferEvent
from shops.models import Shop
from workqueue import WorkItem

SWITCH_LOCK = 20_261_122  # advisory: who turns a switch of outgoing money
_PAYER_KEY_BYTES = Func(F("payer_key"), function="octet_length", output_field=models.IntegerField())
_PROMISED = "({0}.reserved_fen + {0}.refunded_fen + {0}.balance_fen + {0}.transferred_fen)"
PAY_METHODS = [
    (PayMethod.SCAN.value, _("扫码")),
    (PayMethod.IN_APP.value, _("应用内")),
    (PayMethod.PHONE.value, _("手机浏览器")),
    (PayMethod.COMPUTER.value, _("电脑网页")),
    ("balance", _("余额")),
]


def new_payment_no() -> str:
    return public_number("P", 16)


class Channel(models.TextChoices):
    WECHAT = "wechat", _("微信支付")
    ALIPAY = "alipay", _("支付宝")


#: 余额: an account of the platform that no network serves (spending.py). Not a ``Channel``: those are called.
BALANCE = "balance"
ACCOUNT_CHANNELS = [*Channel.choices, (BALANCE, _("余额"))]


class ChannelAccount(models.Model):
    """渠道商户号: whose money it is. Credentials, funds, limits and pacing belong to it.

    The platform's own accounts have the channel's name as ``code`` and their credentials in the environment; a shop may
    bring its own, sealed in ``credentials`` to this row (``channels.py``).
    """

    code = models.CharField(_("代号"), max_length=40, unique=True)  # "wechat"; part of the notification's address
    channel = models.CharField(_("渠道"), max_length=16, choices=ACCOUNT_CHANNELS, default=Channel.WECHAT)
    shop = models.ForeignKey(Shop, models.PROTECT, null=True, blank=True, related_name="channel_accounts",
                             verbose_name=_("店铺"))  # fmt: skip
    name = models.CharField(_("名称"), max_length=60)
    merchant_id = models.CharField(_("商户号"), max_length=40, blank=True)
    credentials = models.BinaryField(_("密钥（密文）"), default=bytes, editable=False)
    credentials_key_id = models.CharField(max_length=40, blank=True, editable=False)
    is_open = models.BooleanField(_("可收款"), default=True)  # refunds go on when it is closed
    refundable_days = models.PositiveSmallIntegerField(_("可退天数"), null=True, blank=True)  # else the channel's
    calls_per_second = models.PositiveSmallIntegerField(_("每秒调用上限"), null=True, blank=True)  # else the channel's
    calls_from = models.DateTimeField(_("下次可调用"), null=True, blank=True)  # the shared budget: pacing.py
    short_since = models.DateTimeField(_("余额不足自"), null=True, blank=True)  # funds.py
    probe_from = models.DateTimeField(_("下次试探"), null=True, blank=True)
    trouble = models.CharField(_("渠道故障"), max_length=200, blank=True)  # our keys or permissions: a human mends them
    trouble_at = models.DateTimeField(_("故障时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("渠道账户")
        verbose_name_plural = _("渠道账户")
        constraints = [
            models.CheckConstraint(
                name="account_channel_is_listed", condition=Q(channel__in=[*Channel.values, BALANCE])
            ),
            models.CheckConstraint(name="account_code_fits_an_address", condition=Q(code__regex=r"^[a-z0-9-]{1,40}$")),
            models.CheckConstraint(  # a shop's money never goes through keys that are the platform's
                name="shops_account_has_its_keys", condition=Q(shop__isnull=True) | ~Q(credentials_key_id="")
            ),
            models.CheckConstraint(  # what buyers keep with us is nobody else's to hold
                name="balance_is_the_platforms",
                condition=~Q(channel=BALANCE)
                | Q(code=BALANCE, shop__isnull=True, merchant_id="", credentials_key_id=""),
            ),
            models.CheckConstraint(
                name="short_account_is_probed", condition=Q(short_since__isnull=True) | Q(probe_from__isnull=False)
            ),
            models.UniqueConstraint(name="one_account_per_channel_and_shop", fields=["channel", "shop"]),
        ]

    def __str__(self) -> str:
        return self.name


class PaymentStatus(models.TextChoices):
    PREPARED = "prepared", _("待下单")  # number committed; the channel may not know it yet
    OPEN = "open", _("待支付")
    PAID = "paid", _("已支付")
    CLOSED = "closed", _("已关闭")  # by the channel's word, or the channel had never heard of it


#: 有效收款: the one payment that an order stands on. Any other that was paid is surplus, and goes back by itself.
COUNTED = Q(status=PaymentStatus.PAID, is_surplus=False)


class Payment(WorkItem):
    """一次收款 under its own number. An order may have several; the old one is closed before the next opens.

    ``reserved_fen`` is promised to attempts under way, ``refunded_fen`` has gone back, ``balance_fen`` was given to the
    buyer's balance instead, ``transferred_fen`` is promised to or went by transfers to another account of the buyer's.
    I1 is the check below: at every commit the four together never exceed what was paid.
    """

    payment_no = models.CharField(_("收款单号"), max_length=26, unique=True, default=new_payment_no, editable=False)
    order = models.ForeignKey(Order, models.PROTECT, related_name="payments", verbose_name=_("订单"))
    account = models.ForeignKey(ChannelAccount, models.PROTECT, related_name="payments", verbose_name=_("渠道账户"))
    amount_fen = models.PositiveIntegerField(_("金额（分）"))
    status = models.CharField(_("状态"), max_length=16, choices=PaymentStatus.choices, default=PaymentStatus.PREPARED)
    is_surplus = models.BooleanField(_("多收"), default=False)  # paid twice, or too late: goes back by itself (PM13)
    method = models.CharField(_("支付方式"), max_length=16, choices=PAY_METHODS, default=PayMethod.SCAN.value)
    payer_id = models.CharField(_("付款人标识"), max_length=64, blank=True)  # IN_APP: the buyer's number at the channel
    payer_ip = models.GenericIPAddressField(_("付款人地址"), null=True, blank=True)  # PHONE
    return_url = models.CharField(_("返回地址"), max_length=255, blank=True)
    till = models.TextField(_("收银台"), blank=True)  # QR text, address or handle: ``Gateway.open_payment``
    till_opened_at = models.DateTimeField(_("收银台打开"), null=True, blank=True)
    first_sent_at = models.DateTimeField(_("首次发送"), null=True, blank=True)
    channel_transaction_id = models.CharField(_("渠道流水号"), max_length=64, blank=True)
    payer_key = models.BinaryField(_("付款账户（指纹）"), max_length=32, null=True, editable=False)  # payers.py
    created_at = models.DateTimeField(_("创建时间"))
    expires_at = models.DateTimeField(_("支付截止"))
    paid_at = models.DateTimeField(_("支付时间"), null=True, blank=True)
    reserved_fen = models.PositiveIntegerField(_("退款占用（分）"), default=0)
    refunded_fen = models.PositiveIntegerField(_("已退（分）"), default=0)
    balance_fen = models.PositiveIntegerField(_("已退至余额（分）"), default=0)  # crediting.py; only ever grows
    transferred_fen = models.PositiveIntegerField(_("转账改付（分）"), default=0, db_default=0)  # transfers.redirect
    external_fen = models.PositiveIntegerField(_("渠道侧已退（分）"), default=0)  # refunded outside us (G21)
    last_attempt_index = models.PositiveSmallIntegerField(_("退款序号"), default=0)
    next_refund_from = models.DateTimeField(_("下次可退时间"), null=True, blank=True)  # WeChat: 1 min between refunds
    last_error = models.CharField(_("最近错误"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("收款")
        verbose_name_plural = _("收款")
        constraints = [
            models.CheckConstraint(name="payment_status_is_listed", condition=Q(status__in=PaymentStatus.values)),
            models.CheckConstraint(name="payment_amount_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(  # I1
                name="refunds_never_exceed_payment",
                condition=Q(
                    amount_fen__gte=F("reserved_fen") + F("refunded_fen") + F("balance_fen") + F("transferred_fen")
                ),
            ),
            models.CheckConstraint(
                name="external_refunds_never_exceed_payment", condition=Q(amount_fen__gte=F("external_fen"))
            ),
            models.CheckConstraint(
                name="payment_method_is_listed", condition=Q(method__in=[m.value for m in PayMethod] + ["balance"])
            ),
            models.CheckConstraint(
                name="only_paid_money_is_refunded",
                condition=Q(status=PaymentStatus.PAID)
                | Q(reserved_fen=0, refunded_fen=0, balance_fen=0, transferred_fen=0),
            ),
            models.CheckConstraint(  # I13: nobody has asked for it otherwise
                name="surplus_goes_back_by_its_channel",
                condition=Q(is_surplus=False) | Q(balance_fen=0, transferred_fen=0),
            ),
            models.CheckConstraint(
                name="paid_payment_has_its_proof",
                condition=~Q(status=PaymentStatus.PAID) | (Q(paid_at__isnull=False) & ~Q(channel_transaction_id="")),
            ),
            models.CheckConstraint(  # a fingerprint, never the payer's own number
                name="payer_key_is_a_fingerprint_of_who_paid",
                condition=Q(payer_key__isnull=True) | (Q(status=PaymentStatus.PAID) & Q(Exact(_PAYER_KEY_BYTES, 32))),
            ),
            models.CheckConstraint(  # I4
                name="unsettled_payment_is_due",
                condition=Q(status__in=[PaymentStatus.PAID, PaymentStatus.CLOSED]) | Q(next_due_at__isnull=False),
            ),
            models.UniqueConstraint(
                name="one_open_payment_per_order",
                fields=["order"],
                condition=Q(status__in=[PaymentStatus.PREPARED, PaymentStatus.OPEN]),
            ),
            models.UniqueConstraint(  # a second payment of an order is surplus, never counted twice
                name="one_counted_payment_per_order",
                fields=["order"],
                condition=COUNTED,
            ),
        ]
        indexes = [
            models.Index(name="payment_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="payment_of_order", fields=["order"]),
            models.Index(name="payment_of_payer", fields=["payer_key"], condition=Q(payer_key__isnull=False)),
            models.Index(name="payment_of_a_day", fields=["account", "paid_at"], condition=Q(status="paid")),
        ]
        triggers = [
            pgtrigger.Protect(name="payment_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="paid_is_paid",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.status = 'paid' AND (OLD.status, OLD.payment_no, OLD.order_id, OLD.account_id, OLD.amount_fen,"
                    " OLD.is_surplus, OLD.channel_transaction_id, OLD.paid_at, OLD.payer_key) IS DISTINCT FROM"
                    " (NEW.status, NEW.payment_no, NEW.order_id, NEW.account_id, NEW.amount_fen, NEW.is_surplus,"
                    " NEW.channel_transaction_id, NEW.paid_at, NEW.payer_key)"
                ),
                func="RAISE EXCEPTION 'what was paid stays paid';",
            ),
            pgtrigger.Trigger(
                name="credited_is_credited",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("balance_fen"),
                condition=pgtrigger.Condition("NEW.balance_fen < OLD.balance_fen"),
                func="RAISE EXCEPTION 'what went to the balance is not taken back';",
            ),
            pgtrigger.Trigger(  # 自带商户号: the shop has it; we would give what we never got
                name="shops_own_account_gives_back_itself",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("balance_fen", "transferred_fen"),
                condition=pgtrigger.Condition(
                    "NEW.balance_fen > OLD.balance_fen OR NEW.transferred_fen > OLD.transferred_fen"
                ),
                func="""
                IF EXISTS (SELECT FROM payments_channelaccount WHERE id = NEW.account_id AND shop_id IS NOT NULL) THEN
                    RAISE EXCEPTION 'shops_own_account_gives_back_itself: payment %', NEW.payment_no
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # the other half of I1: what left outside us is not there to be promised
                name="refunded_outside_is_not_promised",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("reserved_fen", "refunded_fen", "balance_fen", "transferred_fen"),
                condition=pgtrigger.Condition(
                    f"NEW.external_fen > 0 AND {_PROMISED.format('NEW')} > {_PROMISED.format('OLD')}"
                    f" AND {_PROMISED.format('NEW')} + NEW.external_fen > NEW.amount_fen"
                ),
                func="""
                RAISE EXCEPTION 'refunded_outside_is_not_promised: payment %', NEW.payment_no
                    USING ERRCODE = 'check_violation';
                """,
            ),
            pgtrigger.Protect(  # a repeat must be the very same request
                name="sent_payment_keeps_its_way",
                operation=pgtrigger.UpdateOf("account_id", "method", "payer_id", "payer_ip", "return_url"),
                condition=pgtrigger.Condition(
                    "OLD.first_sent_at IS NOT NULL AND"
                    " (OLD.account_id, OLD.method, OLD.payer_id, OLD.payer_ip, OLD.return_url) IS DISTINCT FROM"
                    " (NEW.account_id, NEW.method, NEW.payer_id, NEW.payer_ip, NEW.return_url)"
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.payment_no

    @property
    def refundable_fen(self) -> int:
        """What may still be promised back. Less than nothing is nothing: somebody refunded outside us."""
        ours_fen = self.reserved_fen + self.refunded_fen + self.balance_fen + self.transferred_fen
        gone_fen = ours_fen + self.external_fen
        return max(0, self.amount_fen - gone_fen)


class AttemptStatus(models.TextChoices):
    """Where one request to the channel stands. See ATTEMPT_STEPS in ``hearing.py`` for what leads where."""

    PREPARED = "prepared", _("待发送")  # number and parameters committed, nothing sent
    UNKNOWN = "unknown", _("结果未知")  # sent, or about to be; ask again under the same number
    ACCEPTED = "accepted", _("渠道已受理")
    SUCCEEDED = "succeeded", _("退款成功")
    RETURNED = "returned", _("退款异常")  # the buyer's account did not take it
    CLOSED = "closed", _("退款关闭")  # by the channel's final word, or never sent
    WAITING_FUNDS = "waiting_funds", _("等待商户余额")
    HELD = "held", _("待人工")  # a human must look
    BACK_WITH_MERCHANT = "back_with_merchant", _("退回商户")
    EXTERNAL = "external", _("渠道侧发起")  # first seen at the channel

    @classmethod
    def reserving(cls) -> list[str]:
        """While an attempt stands here, its amount is reserved on the payment."""
        return [cls.PREPARED, cls.UNKNOWN, cls.ACCEPTED, cls.RETURNED, cls.WAITING_FUNDS, cls.HELD]


class Redirect(models.TextChoices):
    """异常退款: where a RETURNED refund is sent on to, by a person's decision."""

    MERCHANT = "merchant", _("退回商户账户")
    BUYER_CARD = "buyer_card", _("退至买家银行卡")


class Attention(models.TextChoices):
    """Why a person should look although the machine goes on asking."""

    SLOW = "slow", _("渠道处理超过 5 天")
    FUNDS = "funds", _("商户余额不足超过 3 天")


_COUNTS = "NEW.channel_refund_id <> '' AND NEW.status NOT IN ('closed', 'back_with_merchant')"
_BOOKED_ONCE = """
IF EXISTS (SELECT FROM payments_refundattempt
           WHERE payment_id = NEW.payment_id AND channel_refund_id = NEW.channel_refund_id AND id <> NEW.id
             AND status NOT IN ('closed', 'back_with_merchant')) THEN
    RAISE EXCEPTION 'channels_refund_is_booked_once: % as %', NEW.channel_refund_id, NEW.request_no
        USING ERRCODE = 'check_violation';
END IF;
RETURN NULL;
"""


class RefundAttempt(WorkItem):
    """一次渠道退款. Number and full parameters are committed before the first byte is sent; neither ever changes."""

    request_no = models.CharField(_("商户退款单号"), max_length=32, unique=True, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="attempts", verbose_name=_("收款"))
    amount_fen = models.PositiveIntegerField(_("金额（分）"))
    reason = models.CharField(_("退款原因"), max_length=80, blank=True)
    notify_url = models.CharField(_("通知地址"), max_length=256)
    status = models.CharField(_("状态"), max_length=20, choices=AttemptStatus.choices, default=AttemptStatus.PREPARED)
    channel_refund_id = models.CharField(_("渠道退款单号"), max_length=130, blank=True)
    received_account = models.CharField(_("入账账户"), max_length=64, blank=True)
    received_account_kind = models.CharField(_("入账账户类别"), max_length=16, default="unknown")
    created_at = models.DateTimeField(_("创建时间"))
    first_sent_at = models.DateTimeField(_("首次发送"), null=True, blank=True)
    accepted_at = models.DateTimeField(_("受理时间"), null=True, blank=True)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)  # the channel's own time of success
    arrival_expected_at = models.DateTimeField(_("渠道预计到账"), null=True, blank=True)
    bank_acknowledged_at = models.DateTimeField(_("银行入账时间"), null=True, blank=True)
    refused_at = models.DateTimeField(_("渠道拒绝"), null=True, blank=True)  # it said no, and a query found nothing
    redirect_to = models.CharField(_("改退至"), max_length=16, choices=Redirect.choices, blank=True)
    redirect_card = models.BinaryField(_("收款卡（密文）"), default=bytes, editable=False)
    redirect_key_id = models.CharField(max_length=40, blank=True, editable=False)
    attention = models.CharField(_("请人工跟进"), max_length=16, choices=Attention.choices, blank=True)
    money_moves = models.PositiveSmallIntegerField(_("资金变动次数"), default=0)
    news_at = models.DateTimeField(_("有新结果"), null=True, blank=True)  # set here, cleared by the app above
    last_error = models.CharField(_("最近错误"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("渠道退款")
        verbose_name_plural = _("渠道退款")
        constraints = [
            models.CheckConstraint(name="attempt_status_is_listed", condition=Q(status__in=AttemptStatus.values)),
            models.CheckConstraint(name="attempt_amount_is_positive", condition=Q(amount_fen__gt=0)),
            models.CheckConstraint(  # I4: whoever is under way is due; HELD waits in a human queue
                name="moving_attempt_is_due",
                condition=Q(status__in=["succeeded", "closed", "held", "back_with_merchant", "external"])
                | Q(next_due_at__isnull=False),
            ),
            models.CheckConstraint(
                name="card_of_a_redirect_is_sealed",
                condition=~Q(redirect_to="buyer_card") | ~Q(redirect_key_id=""),
            ),
            models.CheckConstraint(
                name="succeeded_attempt_has_its_proof",
                condition=~Q(status="succeeded") | (Q(finished_at__isnull=False) & ~Q(channel_refund_id="")),
            ),
        ]
        indexes = [
            models.Index(name="attempt_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="attempt_news", fields=["news_at", "id"], condition=Q(news_at__isnull=False)),
            models.Index(name="attempt_of_payment", fields=["payment"]),
            models.Index(  # a day's refunds, beside the channel's bill of it
                name="attempt_of_a_day", fields=["accepted_at"], condition=Q(accepted_at__isnull=False)
            ),
            models.Index(name="attempt_held", fields=["id"], condition=Q(status="held")),
            models.Index(name="attempt_waits_for_funds", fields=["id"], condition=Q(status="waiting_funds")),
            models.Index(  # among them a surplus that nobody would miss: attention.py
                name="attempt_came_to_nothing", fields=["id"], condition=Q(status__in=["back_with_merchant", "closed"])
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="attempt_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(  # a repeat must be the very same request
                name="attempt_parameters_never_change",
                operation=pgtrigger.UpdateOf("request_no", "payment_id", "amount_fen", "reason", "notify_url"),
                condition=pgtrigger.AnyChange("request_no", "payment", "amount_fen", "reason", "notify_url"),
            ),
            # I13: somebody may be at the bank with its transfer, or has been. What its channel says of it by then is a
            # difference; the other half is redirect_waits_for_the_old_refund.
            pgtrigger.Trigger(
                name="refund_rests_beside_its_transfer",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status"),
                condition=pgtrigger.Condition(
                    "OLD.status IN ('closed', 'back_with_merchant') AND"
                    " NEW.status NOT IN ('closed', 'back_with_merchant')"
                ),
                func="""
                IF EXISTS (SELECT FROM payments_transfer
                           WHERE instead_of_id = NEW.id AND status IN ('approved', 'paid')) THEN
                    RAISE EXCEPTION 'refund_rests_beside_its_transfer: %', NEW.request_no
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(  # I11: its case was paid otherwise since: ``adopting`` notes it as refunded outside us
                name="refund_rests_beside_the_next",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status"),
                condition=pgtrigger.Condition(
                    "OLD.status IN ('closed', 'back_with_merchant') AND"
                    " NEW.status NOT IN ('closed', 'back_with_merchant')"
                ),
                func="""
                IF EXISTS (
                    SELECT FROM refunds_disbursement mine
                    WHERE mine.attempt_id = NEW.id AND (
                        EXISTS (SELECT FROM refunds_disbursement d JOIN payments_refundattempt a ON a.id = d.attempt_id
                                WHERE d.refund_id = mine.refund_id AND d.id <> mine.id
                                AND a.status NOT IN ('closed', 'back_with_merchant'))
                        OR EXISTS (SELECT FROM refunds_balancecredit c WHERE c.refund_id = mine.refund_id))
                ) THEN
                    RAISE EXCEPTION 'refund_rests_beside_the_next: %', NEW.request_no USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            # I3: one refund of the channel's is one attempt's, whether we asked for it or it was found in a bill. Who
            # writes holds the payment.
            pgtrigger.Trigger(
                name="channels_refund_is_adopted_once",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition(_COUNTS),
                func=_BOOKED_ONCE,
            ),
            pgtrigger.Trigger(
                name="channels_refund_is_heard_once",
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("status", "channel_refund_id"),
                condition=pgtrigger.Condition(
                    f"{_COUNTS} AND (OLD.channel_refund_id <> NEW.channel_refund_id"
                    " OR OLD.status IN ('closed', 'back_with_merchant'))"
                ),
                func=_BOOKED_ONCE,
            ),
        ]

    def __str__(self) -> str:
        return self.request_no

    @property
    def has_arrived(self) -> bool:
        """到账: the channel's own proof. A wallet has it at once, a bank when it says so."""
        in_wallet = self.received_account_kind == "wallet"
        return self.status == AttemptStatus.SUCCEEDED and (in_wallet or self.bank_acknowledged_at is not None)


class AttemptEvent(models.Model):
    """渠道退款记录: each change of an attempt's status, with the channel's word or the person who did it."""

    attempt = models.ForeignKey(RefundAttempt, models.PROTECT, related_name="events", verbose_name=_("渠道退款"))
    at = models.DateTimeField(_("时间"))
    from_status = models.CharField(_("从"), max_length=20, choices=AttemptStatus.choices)
    to_status = models.CharField(_("到"), max_length=20, choices=AttemptStatus.choices)
    code = models.CharField(_("渠道答复"), max_length=64, blank=True)
    note = models.CharField(_("说明"), max_length=200, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+",
                           verbose_name=_("操作人"))  # fmt: skip

    class Meta:
        verbose_name = _("渠道退款记录")
        verbose_name_plural = _("渠道退款记录")
        indexes = [models.Index(name="event_of_attempt", fields=["attempt", "id"])]
        triggers = append_only("attempt_events_are_append_only")


class ChannelNotification(models.Model):
    """异步通知 that passed every check. A hint: it makes its payment or attempt due, and a query decides (I14)."""

    account = models.ForeignKey(ChannelAccount, models.PROTECT, related_name="notifications")
    notification_id = models.CharField(_("通知编号"), max_length=128)
    kind = models.CharField(_("类别"), max_length=16)
    payment_no = models.CharField(_("收款单号"), max_length=64, blank=True)
    complaint_id = models.CharField(_("投诉单号"), max_length=64, blank=True)
    request_no = models.CharField(_("商户退款单号"), max_length=64, blank=True)
    facts = models.JSONField(_("内容"), default=dict)
    received_at = models.DateTimeField(_("收到时间"))

    class Meta:
        verbose_name = _("渠道通知")
        verbose_name_plural = _("渠道通知")
        constraints = [
            models.UniqueConstraint(name="notification_is_stored_once", fields=["account", "notification_id"])
        ]
        triggers = append_only("notifications_are_append_only")

    def __str__(self) -> str:
        return self.notification_id


class RefusedNotification(models.Model):
    """拒收通知, counted by check and hour, so that a flood of forgeries fills a counter and not the disk (G13)."""

    account = models.ForeignKey(ChannelAccount, models.PROTECT, related_name="refused_notifications")
    code = models.CharField(_("未通过的检查"), max_length=40)
    hour = models.DateTimeField(_("小时"))
    count = models.PositiveIntegerField(_("次数"), default=1)
    last_at = models.DateTimeField(_("最近一次"))

    class Meta:
        verbose_name = _("拒收通知")
        verbose_name_plural = _("拒收通知")
        constraints = [
            models.UniqueConstraint(name="one_counter_per_check_and_hour", fields=["account", "code", "hour"])
        ]

    def __str__(self) -> str:
        return f"{self.code} × {self.count}"


class OutgoingSwitch(models.Model):
    """停止出款: each time that outgoing money was stopped or let go again, all of it or that of one account.

    The newest row says how it stands; ``outgoing.py`` reads and writes it.
    """

    TURNED: ClassVar[str] = "outgoing_switch_turns"

    is_stopped = models.BooleanField(_("停止出款"))
    account = models.ForeignKey(
        ChannelAccount, models.PROTECT, null=True, blank=True, related_name="switches", verbose_name=_("渠道账户")
    )  # empty: everything
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("操作人"))
    reason = models.CharField(_("原因"), max_length=200)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("出款开关")
        verbose_name_plural = _("出款开关")
        constraints = [models.CheckConstraint(name="switch_says_why", condition=~Q(reason=""))]
        indexes = [models.Index(name="switch_of_account", fields=["account", "-id"])]
        triggers = [
            *append_only("outgoing_switches_are_append_only"),
            pgtrigger.Trigger(  # before the row has its number: one at a time, so that the newest is the last
                name="outgoing_switch_is_turned_by_one",
                level=pgtrigger.Statement,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=f"PERFORM pg_advisory_xact_lock({SWITCH_LOCK}); RETURN NULL;",
            ),
            pgtrigger.Trigger(
                name="outgoing_switch_turns",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("known", "payments_outgoingswitch%ROWTYPE")],
                func="""
                SELECT * INTO known FROM payments_outgoingswitch
                 WHERE account_id IS NOT DISTINCT FROM NEW.account_id ORDER BY id DESC LIMIT 1;
                IF coalesce(known.is_stopped, false) = NEW.is_stopped THEN
                    RAISE EXCEPTION 'outgoing_switch_turns: it stands like that already'
                        USING ERRCODE = 'check_violation';
                END IF;
                IF NOT NEW.is_stopped AND known.by_id = NEW.by_id THEN
                    RAISE EXCEPTION 'outgoing_switch_turns: who stopped outgoing money does not let it go again'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{_('停止出款') if self.is_stopped else _('恢复出款')} #{self.pk}"


__all__ = [
    "ACCOUNT_CHANNELS", "BALANCE", "PAY_METHODS", "Attention", "AttemptEvent", "AttemptStatus", "Channel",
    "ChannelAccount", "ChannelNotification", "OutgoingSwitch", "Payee", "PayeeLook", "Payment", "PaymentStatus",
    "Redirect", "RefundAttempt", "RefusedNotification", "Transfer", "TransferEvent", "new_payment_no",
]  # fmt: skip
