"""演示结局: a refund is asked for, and decided along its path by the people whose business it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from cardshop.seeding import pictures
from cardshop.seeding.stories import Story
from refunds import applying, disbursement, lifecycle, objections, precheck, sweeping
from refunds.models import Ground, Refund, Status

People = dict[str, User]


def ask(story: Story, people: People, *, at: datetime) -> None:
    """申请退款, checked by the machine seconds later, and decided along the story's path."""
    images = [pictures.error_page(story.order.order_no)] if story.seen and story.reason != "malfunction" else []
    application = applying.Application(
        reason=story.reason, description=story.words, contact="微信同号 138****0000", images=images
    )
    refund = applying.submit(story.order, application, by=story.order.buyer, at=at)
    story.refund = checked(refund, at=at + timedelta(seconds=3))
    if story.refund.status == Status.MERCHANT_REVIEW and story.path not in WITH_THE_SHOP:
        _contest(story, story.refund, people)
    PATHS[story.path](story, story.refund, people)


def checked(refund: Refund, *, at: datetime) -> Refund:
    """系统初审, as the worker does."""
    with transaction.atomic():
        precheck.run([refund], at=at)
    refund.refresh_from_db()
    return refund


# --- the shop's answer ------------------------------------------------------------------------------------------------


def _contest(story: Story, refund: Refund, people: People) -> None:
    note = "我们查了发货记录，这张卡密只发过一次；请平台核对兑换情况。"
    lifecycle.contest([refund], by=_of_shop(story, people), at=_later(refund, 0.8), note=note)


def _agree(story: Story, refund: Refund, people: People) -> None:
    lifecycle.agree(
        [refund], by=_of_shop(story, people), at=_later(refund, 2), note="核对过了，这一批确实有问题，抱歉。"
    )
    disbursement.release([refund], by=people["finance"], at=_later(refund, 5))


def _keep_silent(story: Story, refund: Refund, people: People) -> None:
    """The shop lets its time pass: liable, by the machine."""
    refund.refresh_from_db()
    sweeping.sweep(at=(refund.promised_by or refund.submitted_at) + timedelta(minutes=1))
    disbursement.release([refund], by=people["finance"], at=_later(refund, 30))


def _offer(story: Story, refund: Refund, people: People) -> None:
    note = "只有一张不能用，另一张查到已兑换，退一张的钱可以吗？"
    lifecycle.offer(
        refund, by=_of_shop(story, people), at=_later(refund, 3), note=note, amount_fen=refund.amount_fen // 2
    )


def _replace(story: Story, refund: Refund, people: People) -> None:
    note = "这一批有几张坏码，给您补发一张新的，可以吗？"
    lifecycle.offer(refund, by=_of_shop(story, people), at=_later(refund, 1), note=note)
    lifecycle.accept_replacement(refund, by=refund.buyer, at=_later(refund, 2))


def _of_shop(story: Story, people: People) -> User:
    return people[SHOPKEEPERS[story.order.shop.name]]


# --- people of the platform -------------------------------------------------------------------------------------------


def _approve(story: Story, refund: Refund, people: People) -> None:
    note = "兑换平台记录与截图一致，卡密确实无效。"
    if refund.amount_fen > story.order.policy.senior_above_fen:
        _uphold(story, refund, people)
        lifecycle.approve_second([refund], by=people["senior"], at=_later(refund, 5), note=note)
        return
    lifecycle.approve([refund], by=people["support"], at=_later(refund, 4), note=note)


def _uphold(story: Story, refund: Refund, people: People) -> None:
    lifecycle.uphold([refund], by=people["support"], at=_later(refund, 4), note="与发卡方核对过，建议退。")


def _appeal(story: Story, refund: Refund, people: People) -> None:
    _reject(story, refund, people)
    words = "审核说已经激活，可激活的是我另一台电脑上的旧版本，订单里的这个激活码一直提示无效。"
    lifecycle.appeal(refund, by=refund.buyer, at=_later(refund, 9), note=words, ground=Ground.OVERLOOKED)


def _close(story: Story, refund: Refund, people: People) -> None:
    note = "您与商家已在订单留言里约定换号，本单按约定处理，不再退款。"
    lifecycle.close([refund], by=people["senior"], at=_later(refund, 6), note=note)


def _release(story: Story, refund: Refund, people: People) -> None:
    _approve(story, refund, people)
    disbursement.release([refund], by=people["finance"], at=_later(refund, 6))


def _release_automatic(story: Story, refund: Refund, people: People) -> None:
    disbursement.release([refund], by=None, at=_later(refund, 0.01))


def _reject(story: Story, refund: Refund, people: People) -> None:
    note = "软件可以正常打开和使用；不喜欢界面不属于功能异常，商品页已写明此类情况不退。"
    lifecycle.reject([refund], by=people["support2"], at=_later(refund, 5), note=note, ground="not_so")


def _request_evidence(story: Story, refund: Refund, people: People) -> None:
    note = "请上传运营商的充值记录截图，需看清号码、时间和金额。"
    lifecycle.request_evidence([refund], by=people["support"], at=_later(refund, 2), note=note)


def _ask_the_shop(story: Story, refund: Refund, people: People) -> None:
    note = "请提供这张卡密的进货记录，和发卡方对兑换情况的答复。"
    lifecycle.request_evidence([refund], by=people["support2"], at=_later(refund, 2), note=note, of="merchant")


def _object(story: Story, refund: Refund, people: People) -> None:
    """After the verdict the shop lays new evidence before a senior, who has yet to answer."""
    _release(story, refund, people)
    words = "发卡方今天补发了记录：这张卡密是在买家查看之后兑换的，记录见图。"
    image = pictures.supplier_record(story.order.order_no)
    objections.object(refund, by=_of_shop(story, people), at=_later(refund, 20), text=words, images=[image])


def _withdraw(story: Story, refund: Refund, people: People) -> None:
    lifecycle.withdraw(refund, by=refund.buyer, at=_later(refund, 1))


def redirect(story: Story, people: People) -> None:
    """After the channel closed it: the buyer signs for the balance, and finance has yet to confirm."""
    if story.refund:
        story.refund.refresh_from_db()
        lifecycle.sign_redirect(story.refund, by=story.refund.buyer, at=_later(story.refund, 12))


def _leave(story: Story, refund: Refund, people: People) -> None:
    """The pre-check's word stands: in review, or turned down."""


PATHS: dict[str, Callable[[Story, Refund, People], None]] = {
    "arrived": _release,
    "paid_out": _release,
    "returned": _release,
    "processing": _release,
    "closed_card": _release,
    "short": _release,
    "auto": _release_automatic,
    "approved": _approve,
    "batch": _approve,
    "batch_halted": _approve,
    "rejected": _reject,
    "evidence": _request_evidence,
    "shop_asked": _ask_the_shop,
    "objected": _object,
    "withdrawn": _withdraw,
    "review": _leave,
    "review_late": _leave,
    "turned_down": _leave,
    "with_shop": _leave,
    "agreed": _agree,
    "silent": _keep_silent,
    "offered": _offer,
    "replaced": _replace,
    "second_review": _uphold,
    "appeal": _appeal,
    "closed": _close,
    "redirect": _release,
}
WITH_THE_SHOP = {"with_shop", "agreed", "silent", "offered", "replaced"}
SHOPKEEPERS = {"星海点卡专营店": "merchant", "云影数字商品店": "merchant2"}


def _later(refund: Refund, hours: float) -> datetime:
    return refund.submitted_at + timedelta(hours=hours)
