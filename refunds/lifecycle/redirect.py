"""变更去向 (S2-28, S2-29, I13): the original route failed, and the buyer says where his money shall go.

He signs once, for his balance or for an account of his own. Which way it takes then is where the money is: still at
WeChat, the channel sends it on to his card under the same number; back with the merchant, or never sent, it is a
transfer. docs/decisions/0027-money-that-comes-back.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from accounts import realname
from accounts.models import User
from money import yuan
from payments import banks, by_hand, hearing, outgoing, payees, transfers
from payments.gateways.base import BankCard
from payments.models import AttemptStatus, Channel, Payee, RefundAttempt
from payments.transfer_models import PayeeKind
from refunds import goods, own_account
from refunds.lifecycle import guards
from refunds.lifecycle.taking import StepRefused, Taken, take
from refunds.models import Destination, Disbursement, Lane, Queue, RedirectAgreement, RedirectTransfer, Refund

BALANCE_TERMS = _(
    "退款方式变更协议：退款单 %(no)s 的原路退款未能入账，我同意将 %(amount)s 改退至我在本站的余额账户。"
    "本协议经我登录后签署，由平台另一位工作人员确认后生效。"
)
ACCOUNT_TERMS = _(
    "退款方式变更协议：退款单 %(no)s 的原路退款未能入账，我同意将 %(amount)s 改退至我本人的%(account)s。"
    "该账户的户名与我的实名认证一致。本协议经我再次验证身份后签署，账户登记满 24 小时、由平台另一位工作人员确认后生效；"
    "确认前我可以撤回。"
)


def sign_redirect(refund: Refund, *, by: User, at: datetime, verified_by: str = "", holder_proof: str = "") -> None:
    """签署退款方式变更协议: to the buyer's own balance, or to an account in his real name (``own_account.py``).

    ``verified_by``: how he has just proved who he is.
    """
    payee = _own_account(by, verified_by, holder_proof) if holder_proof else None
    with take("sign_redirect", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        may_be_signed(taken)
        guards.somebody_is_for_it(taken)
        if by.is_guest:
            raise StepRefused("claim_first", _("请先登录或注册并认领这张订单，再选择退款去向。"))
        _may_be_ours_to_give(case, payee)
        if payee is None and case.asked_by_id != case.buyer_id:
            raise StepRefused("no_balance", _("这笔退款不能改退至余额，可以退至您本人的账户。"))
        RedirectAgreement.objects.create(
            refund=case,
            destination=Destination.BALANCE if payee is None else Destination.OTHER_ACCOUNT,
            payee=payee,
            verified_by=verified_by,
            real_name=realname.passed(by) if payee else None,
            text=redirect_terms(case, payee),
            signed_by=by,
            signed_at=at,
        )


def redirect_terms(refund: Refund, payee: Payee | None = None) -> str:
    """退款方式变更协议 about this case, as it is shown, signed and kept; an account stands in it by its last digits."""
    said = {"no": refund.refund_no, "amount": yuan(refund.amount_fen), "account": str(payee)}
    return str((BALANCE_TERMS if payee is None else ACCOUNT_TERMS) % said)


def revoke_redirect(refund: Refund, *, by: User, at: datetime) -> None:
    """撤回签署, by the buyer, as long as nobody has confirmed it."""
    with take("revoke_redirect", [refund], by=by, at=at) as taken:
        _void(taken, at)


def lapse_redirect(refunds: Sequence[Refund], *, at: datetime) -> None:
    """The old attempt came alive after all: what was signed is void."""
    with take("lapse_redirect", refunds, by=None, at=at) as taken:
        _void(taken, at)


def confirm_redirect(refund: Refund, *, by: User, at: datetime, agreement_id: int | None = None) -> None:
    """确认新去向: a second person, a day after the account was laid down, while nothing of the old attempt can still
    pay the buyer. ``agreement_id``: the agreement that was read; the buyer may have signed another one since."""
    with take("confirm_redirect", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        _may_be_ours_to_give(case)
        guards.no_other_active(taken)
        guards.attempts_are_closed(taken)
        guards.two_people(taken)
        signed = _confirm(case, by, at, agreement_id)
        case.destination, case.lane = signed.destination, Lane.STANDARD


def send_to_card(refund: Refund, *, by: User, at: datetime, agreement_id: int | None = None) -> None:
    """异常退款至买家签署的银行卡 (G8): WeChat has the money still, and sends it on under the same number.

    Not by who released it the first time; the card is sealed to the attempt, and committed before a byte leaves.
    ``agreement_id`` as in ``confirm_redirect``.
    """
    with take("send_to_card", [refund], by=by, at=at) as taken:
        case = taken.refunds[0]
        guards.two_people(taken)
        attempt = last_attempt(case)
        signed = signed_of([case]).get(case.pk)
        if attempt is None or signed is None or not goes_on_to_card(attempt, signed.payee):
            raise StepRefused("not_at_channel", _("渠道不能把这一笔退至签署的账户。请先退回商户账户，再确认新去向。"))
        if Disbursement.objects.filter(refund=case, released_by=by).exists():
            raise StepRefused("same_person", _("这笔退款由您放款，改退至银行卡须由另一位同事办理。"))
        if outgoing.stopped():
            raise StepRefused("outgoing_stopped", outgoing.IsStopped())
        card = _card(signed)
        _confirm(case, by, at, agreement_id)
        if not by_hand.send_on(attempt, card=card, by=by, at=at):
            raise StepRefused("attempt_moved", _("渠道退款刚刚有了新的结果，请刷新后再看。"))
        case.lane = Lane.STANDARD


def request_transfer(refunds: Sequence[Refund], *, by: User, at: datetime) -> None:
    """放款至买家账户: promised of its payment and asked of the bank's desk; nothing is posted until it is paid.

    Not by who confirmed the account.
    """
    with take("request_transfer", refunds, by=by, at=at, queue=Queue.FINANCE) as taken:
        guards.all_go_to(taken, Destination.OTHER_ACCOUNT)
        guards.not_by_who_decided(taken)
        guards.none_is_in_doubt(taken.refunds)
        confirmed = not_by_who_confirmed(taken)
        for case, attempt in zip(taken.refunds, guards.last_attempts(taken.refunds), strict=True):
            signed = confirmed[case.pk]
            assert signed.payee  # noqa: S101 - for the type checker: an account is named, says the database
            try:
                asked = transfers.redirect(
                    case.payment, payee=signed.payee, amount_fen=case.amount_fen, instead_of=attempt, at=at
                )
            except transfers.CannotTransfer as error:
                code = "attempt_not_closed" if error.code == "old_alive" else error.code
                raise StepRefused(code, error) from None
            RedirectTransfer.objects.create(
                refund=case, agreement=signed, transfer=asked, released_by=by, created_at=at
            )
        goods.retire(taken.refunds, at=at, by=taken.by)


# --- what they look at ------------------------------------------------------------------------------------------------


def signed_of(refunds: Sequence[Refund]) -> dict[int, RedirectAgreement]:
    """{case: what its buyer has signed and nobody has confirmed yet}."""
    rows = RedirectAgreement.objects.filter(refund__in=refunds, confirmed_at=None, lapsed_at=None)
    return {row.refund_id: row for row in rows.select_related("payee")}


def confirmed_of(refunds: Sequence[Refund]) -> dict[int, RedirectAgreement]:
    """{case: what was confirmed last}."""
    rows = RedirectAgreement.objects.filter(refund__in=refunds, confirmed_at__isnull=False)
    return {row.refund_id: row for row in rows.select_related("payee__user").order_by("pk")}


def not_by_who_confirmed(taken: Taken) -> dict[int, RedirectAgreement]:
    """{case: what was confirmed last}, each by another person than who releases it. Raises StepRefused."""
    confirmed = confirmed_of(taken.refunds) if taken.by else {}
    if taken.by and any(signed.confirmed_by_id == taken.by.pk for signed in confirmed.values()):
        raise StepRefused("same_person", _("新去向由您确认，须由另一位同事放款。"))
    return confirmed


def may_be_signed(taken: Taken) -> None:
    """Once the original route has failed: for good, or so that only a person's word moves it on (WeChat's 异常)."""
    if any(not waits_for_a_word(attempt) for attempt in guards.unclosed(taken.refunds).values()):
        raise StepRefused("attempt_not_closed", guards.NOT_CLOSED)


def waits_for_a_word(attempt: RefundAttempt) -> bool:
    """WeChat keeps what a dead card did not take until somebody says where to; Alipay pays its own balance."""
    return attempt.status == AttemptStatus.RETURNED and attempt.payment.account.channel == Channel.WECHAT


def came_alive(attempt: RefundAttempt) -> bool:
    """Whether it may pay the buyer after all, so that nothing that was signed holds any more; on its way back to the
    merchant it does not."""
    on_its_way = bool(attempt.redirect_to) and attempt.status in {AttemptStatus.UNKNOWN, AttemptStatus.ACCEPTED}
    return attempt.status not in hearing.FINAL and not on_its_way and not waits_for_a_word(attempt)


def goes_on_to_card(attempt: RefundAttempt | None, payee: Payee | None) -> bool:
    """Whether the channel itself can pay this account: WeChat, a bank card. Its bank is asked about as it is sent."""
    return attempt is not None and waits_for_a_word(attempt) and payee is not None and payee.kind == PayeeKind.BANK


def may_choose(attempt: RefundAttempt | None, *, is_the_shops: bool) -> bool:
    """Whether the buyer can say now where it shall go, by what was last sent and is not closed. ``is_the_shops``: its
    own merchant account took the money."""
    return not is_the_shops if attempt is None else waits_for_a_word(attempt)


def choosing(refunds: Sequence[Refund]) -> list[Refund]:
    """Of what came back, those whose buyers can choose."""
    theirs = paid_to_the_shop(refunds)
    sent = guards.unclosed(refunds)
    return [refund for refund in refunds if may_choose(sent.get(refund.pk), is_the_shops=refund.pk in theirs)]


def paid_to_the_shop(refunds: Sequence[Refund]) -> list[int]:
    """Keys of those whose money a shop's own merchant account took (自带商户号)."""
    rows = Refund.objects.filter(pk__in=[refund.pk for refund in refunds], payment__account__shop__isnull=False)
    return list(rows.values_list("pk", flat=True))


def last_attempt(refund: Refund) -> RefundAttempt | None:
    found: RefundAttempt | None = guards.last_attempts([refund])[0]
    return found


def _own_account(by: User, verified_by: str, holder_proof: str) -> Payee:
    """Who he is was proved anew, and is a real name, in which the account is held. Raises StepRefused."""
    if not verified_by:
        raise StepRefused("step_up", _("请先再次验证身份。"))
    if realname.passed(by) is None:
        raise StepRefused("real_name", _("请先完成实名认证，收款账户须是您本人的。"))
    payee = own_account.named_by(holder_proof, by=by)
    if payee is None:
        raise StepRefused("not_holder", _("请重新填写收款账户，并核对户名。"))
    return payee


def _may_be_ours_to_give(case: Refund, payee: Payee | None = None) -> None:
    """自带商户号: what a shop's own account took we never got, and do not give. Only its channel may send it on, to a
    card. Raises StepRefused."""
    if not case.payment.account.shop_id:
        return
    if payee and goes_on_to_card(last_attempt(case), payee) and banks.code_of(payees.opened(payee).bank):
        return
    raise StepRefused("paid_to_the_shop", _("这笔款由店铺自己的商户号收取，只能由它原路再退；财务会与店铺和您联系。"))


def _void(taken: Taken, at: datetime) -> None:
    RedirectAgreement.objects.filter(refund__in=taken.refunds, confirmed_at=None, lapsed_at=None).update(lapsed_at=at)


def _confirm(case: Refund, by: User, at: datetime, agreement_id: int | None) -> RedirectAgreement:
    """Raises StepRefused."""
    rows = RedirectAgreement.objects.select_for_update(no_key=True, of=("self",)).select_related("payee")
    signed = rows.get(refund=case, confirmed_at=None, lapsed_at=None)
    if agreement_id not in {None, signed.pk}:
        raise StepRefused("agreement_changed", _("买家刚刚重新签署了去向，请看过新的协议再确认。"))
    if signed.payee and at < payees.usable_from(signed.payee):
        raise StepRefused("cooling", _("收款账户登记未满 24 小时，暂不能确认，以便买家发现不是本人的操作。"))
    signed.confirmed_by, signed.confirmed_at = by, at
    signed.save(update_fields=["confirmed_by", "confirmed_at"])
    return signed


def _card(signed: RedirectAgreement) -> BankCard:
    """As the channel takes it. Raises StepRefused."""
    assert signed.payee  # noqa: S101 - for the type checker: ``goes_on_to_card`` has looked
    account = payees.opened(signed.payee)
    bank = banks.code_of(account.bank)
    if not bank:
        raise StepRefused(
            "bank_not_listed", _("微信支付不能退至这家银行的卡。请先退回商户账户，再确认新去向，由平台转账。")
        )
    return BankCard(bank, account.number, account.name)
