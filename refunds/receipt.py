"""退款回执: what our books say of one refund's money, and a code by which anybody can check a printed one (S0-16, B11).

It claims what we know and whose word that is, and nothing else: that a channel paid out is not that a bank booked it
(P17).
"""

from __future__ import annotations

import enum
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.models import Order
from payments.models import BALANCE, Payment, RefundAttempt
from records import chain
from refunds.models import Destination, Disbursement, Refund, RefundLine
from refunds.models import Status as S
from shops import vault

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: read out over the phone, none is taken for another
CODE_LETTERS = 16  # of 5 bits each: 80 that nobody guesses
GROUP = 4
NUMBER = re.compile("[0-9A-Z]{8,20}")  # as addresses take it
CODE = re.compile("[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}")
MISHEARD = str.maketrans("OIL", "011")


class Says(enum.Enum):
    """What a receipt says of the money. Its value stands in what the code is made of: never rename one."""

    NOTHING = "nothing"  # none has left for this case
    SENT = "sent"  # the channel was asked
    REFUNDED = "refunded"  # the channel says success
    ARRIVED = "arrived"  # the channel, the bank or the buyer says that it is there
    RETURNED = "returned"  # the buyer's account did not take it
    CREDITED = "credited"  # on the buyer's balance with us
    TRANSFERRED = "transferred"  # to another account of the buyer's, by people at the bank


SAYS: dict[str, Says] = {
    S.PROCESSING: Says.SENT,
    S.PAID_OUT: Says.REFUNDED,
    S.ARRIVED: Says.ARRIVED,
    S.RETURNED: Says.RETURNED,
    S.REDIRECT_SIGNED: Says.RETURNED,
}
HEADLINES: dict[Says, object] = {
    Says.NOTHING: gettext_lazy("款项尚未退出"),
    Says.SENT: gettext_lazy("已提交支付渠道，尚未退款成功"),
    Says.REFUNDED: gettext_lazy("渠道已退款成功"),
    Says.ARRIVED: gettext_lazy("退款已到账"),
    Says.RETURNED: gettext_lazy("渠道退款未能入账"),
    Says.CREDITED: gettext_lazy("已退至余额"),
    Says.TRANSFERRED: gettext_lazy("平台已转账至买家签署的账户"),
}


BESIDE_THE_CHANNEL = {Says.NOTHING, Says.CREDITED, Says.TRANSFERRED}


@dataclass(frozen=True)
class Receipt:
    """``code`` is empty as long as there is nothing to prove; ``attempt`` is what was last sent, where money left."""

    refund: Refund
    lines: Sequence[RefundLine]
    attempt: RefundAttempt | None
    says: Says
    code: str

    @property
    def headline(self) -> str:
        return str(HEADLINES[self.says])

    @property
    def sentence(self) -> str:
        """Whose word the headline is, and what it does not say."""
        return sentence(self.says, self.attempt, str(self.refund.payment.account.get_channel_display()))

    @property
    def tone(self) -> str:
        good = {Says.REFUNDED, Says.ARRIVED, Says.CREDITED, Says.TRANSFERRED}
        return "good" if self.says in good else "attention" if self.says is Says.RETURNED else "progress"

    @property
    def account(self) -> str:
        """入账账户, masked."""
        if self.says is Says.TRANSFERRED:
            return masked_account(self.refund.received_account)
        return masked_account(self.attempt.received_account) if self.attempt else ""

    @property
    def proves_money(self) -> bool:
        return self.says is not Says.NOTHING


def of(refund: Refund) -> Receipt:
    """The receipt as it is now. ``refund`` comes with its order, and its payment's account. Two queries."""
    sent = Disbursement.objects.filter(refund=refund).select_related("attempt").order_by("-pk").first()
    says = says_of(refund)
    attempt = sent.attempt if sent and says not in BESIDE_THE_CHANNEL else None
    lines = list(refund.lines.select_related("order_line").order_by("order_line__position"))
    code = "" if says is Says.NOTHING else code_of(refund, attempt.request_no if attempt else "", says)
    return Receipt(refund, lines, attempt, says, code)


def says_of(refund: Refund) -> Says:
    if refund.destination == Destination.BALANCE:
        return Says.CREDITED if refund.status == S.ARRIVED else Says.NOTHING
    if refund.destination == Destination.OTHER_ACCOUNT:
        return Says.TRANSFERRED if refund.status in {S.PAID_OUT, S.ARRIVED} else Says.NOTHING
    if refund.payment.account.channel == BALANCE and refund.status == S.ARRIVED:  # 原路 was the balance
        return Says.CREDITED
    return SAYS.get(refund.status, Says.NOTHING)


def sentence(says: Says, attempt: RefundAttempt | None, channel: str) -> str:
    return {
        Says.NOTHING: _("没有任何款项为这张退款单退出。这一页不是退款证明。"),
        Says.SENT: _("%(channel)s正在处理。在渠道告知成功之前，本回执不证明已经退款。"),
        Says.REFUNDED: _("%(channel)s已告知退款成功。是否入账由收款账户的银行决定：我们没有入账证明，不声称已到账。"),
        Says.ARRIVED: _whose_word(attempt),
        Says.RETURNED: _("收款账户没有收下这笔退款，款项没有到买家手里，我们正在与%(channel)s核对。"),
        Says.TRANSFERRED: _("原支付账户没有收下退款；平台已转账至买家本人签署的账户，是否入账由收款方的银行决定。"),
        Says.CREDITED: _("款项已记入买家在本站的余额，没有经过支付渠道，在渠道的账单里查不到。"),
    }[says] % {"channel": channel}


def _whose_word(attempt: RefundAttempt | None) -> str:
    """到账 is said by the bank, by the channel of its own wallet, or by the buyer: which of them, is part of it."""
    if attempt and attempt.bank_acknowledged_at:
        return _("%(channel)s已告知退款成功，发卡银行已确认入账。")
    if attempt and attempt.has_arrived:
        return _("%(channel)s告知已退入买家在该渠道的账户，退出即入账。")
    return _("%(channel)s已告知退款成功；到账由买家本人确认，我们没有银行的入账证明。")


def masked_account(channels_words: str) -> str:
    """A channel writes a bank and four digits; whatever else it may write, no longer number leaves us."""
    return re.sub(r"\d(?=\d{4})", "*", channels_words)


# --- 校验码 ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checked:
    """A genuine receipt: what it said when it was made, and what the books say now. ``attempt`` is the one named."""

    refund: Refund
    attempt: RefundAttempt | None
    said: Says
    now: Says

    @property
    def said_words(self) -> str:
        return str(HEADLINES[self.said])

    @property
    def now_words(self) -> str:
        return str(HEADLINES[self.now])

    @property
    def refund_no(self) -> str:
        return _ends(self.refund.refund_no)

    @property
    def channel_refund_id(self) -> str:
        return _ends(self.attempt.channel_refund_id) if self.attempt and self.attempt.channel_refund_id else ""

    @property
    def channel_time(self) -> datetime | None:
        return self.attempt.finished_at if self.attempt else None

    @property
    def is_unchanged(self) -> bool:
        return self.said is self.now


def check(refund_no: str, code: str) -> Checked | None:
    """The receipt that this code belongs to; None for a wrong number and a wrong code alike, after the same work (X8).

    Nothing is kept of a receipt: its code is made anew from what never changes of the case, for everything that a
    receipt can have said and every request that was sent for it. So one that was printed earlier stays genuine.
    """
    given = tidy(code)
    found = Refund.objects.filter(refund_no=refund_no).select_related("order", "payment__account").first()
    sent = Disbursement.objects.filter(refund__refund_no=refund_no).select_related("attempt").order_by("-pk")
    attempts: list[RefundAttempt | None] = [row.attempt for row in sent]
    case = found or _nobodys_case(refund_no)
    match: Checked | None = None
    for attempt in [*attempts, None]:
        for says in Says:
            expected = _tidy_code_of(case, attempt.request_no if attempt else "", says)
            if hmac.compare_digest(expected, given) and found and says is not Says.NOTHING:
                match = Checked(found, attempt, says, says_of(found))
    return match


def code_of(refund: Refund, request_no: str, says: Says) -> str:
    """校验码: ``7K2M-…``, keyed over what the receipt is about and what it says."""
    return grouped(_tidy_code_of(refund, request_no, says))


def grouped(code: str) -> str:
    """As it is printed, however it was typed."""
    plain = tidy(code)
    return "-".join(plain[at : at + GROUP] for at in range(0, len(plain), GROUP))


def tidy(code: str) -> str:
    """As people type it: small letters, blanks, an O for a zero."""
    return "".join(letter for letter in code.upper().translate(MISHEARD) if letter in ALPHABET)


def tidy_number(refund_no: str) -> str:
    """Our numbers hold none of the letters that are taken for a digit."""
    return tidy(refund_no)


def _tidy_code_of(refund: Refund, request_no: str, says: Says) -> str:
    """With the key that outlives every change of keys: whoever kept a receipt can still have it checked years later."""
    facts = {
        "amount_fen": refund.amount_fen,
        "order": refund.order.order_no,
        "payment": refund.payment.payment_no,
        "refund": refund.refund_no,
        "request": request_no,
        "says": says.value,
    }
    digest = vault.keyring(settings.CARD_KEYS_FILE).fingerprint("receipt|" + chain.canonical(facts).decode())
    bits = int.from_bytes(digest, "big")
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in range(CODE_LETTERS))


def _nobodys_case(refund_no: str) -> Refund:
    """For a number that nobody has: there is as much to work out."""
    order, payment = Order(order_no="D"), Payment(payment_no="P")
    return Refund(refund_no=refund_no, order=order, payment=payment, amount_fen=0)


def _ends(number: str) -> str:
    """Enough to compare with a paper in one's hand, too little to use: R7K2…9QX4."""
    return f"{number[:4]}…{number[-4:]}" if len(number) > 8 else number
