"""演示结局: a refund is asked for, and decided along its path by the people whose business it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import User
from cardshop.seeding import pictures
from cardshop.seeding.stories import Story
from refunds import applying, disbursement, lifecycle, precheck
from refunds.models import Refund

People = dict[str, User]


def ask(story: Story, people: People, *, at: datetime) -> None:
    """申请退款, checked by the machine seconds later, and decided along the story's path."""
    images = [pictures.error_page(story.order.order_no)] if story.seen and story.reason != "malfunction" else []
    application = applying.Application(
        reason=story.reason, description=story.words, contact="微信同号 138****0000", images=images
    )
    refund = applying.submit(story.order, application, by=story.order.buyer, at=at)
    story.refund = checked(refund, at=at + timedelta(seconds=3))
    PATHS[story.path](story, story.refund, people)


def checked(refund: Refund, *, at: datetime) -> Refund:
    """系统初审, as the worker does."""
    with transaction.atomic():
        precheck.run([refund], at=at)
    refund.refresh_from_db()
    return refund


def _approve(story: Story, refund: Refund, people: People) -> None:
    high = refund.amount_fen > story.order.policy.senior_above_fen
    reviewer = people["senior" if high else "support"]
    lifecycle.approve([refund], by=reviewer, at=_later(refund, 4), note="兑换平台记录与截图一致，卡密确实无效。")


def _release(story: Story, refund: Refund, people: People) -> None:
    _approve(story, refund, people)
    disbursement.release([refund], by=people["finance"], at=_later(refund, 6))


def _release_automatic(story: Story, refund: Refund, people: People) -> None:
    disbursement.release([refund], by=None, at=_later(refund, 0.01))


def _reject(story: Story, refund: Refund, people: People) -> None:
    note = "激活记录显示该激活码已于兑换当日成功激活，且软件运行正常。"
    lifecycle.reject([refund], by=people["support2"], at=_later(refund, 5), note=note)


def _request_evidence(story: Story, refund: Refund, people: People) -> None:
    note = "请上传运营商的充值记录截图，需看清号码、时间和金额。"
    lifecycle.request_evidence([refund], by=people["support"], at=_later(refund, 2), note=note)


def _withdraw(story: Story, refund: Refund, people: People) -> None:
    lifecycle.withdraw(refund, by=refund.buyer, at=_later(refund, 1))


def _leave(story: Story, refund: Refund, people: People) -> None:
    """The pre-check's word stands: in review, or turned down."""


PATHS: dict[str, Callable[[Story, Refund, People], None]] = {
    "arrived": _release,
    "paid_out": _release,
    "returned": _release,
    "processing": _release,
    "auto": _release_automatic,
    "approved": _approve,
    "rejected": _reject,
    "evidence": _request_evidence,
    "withdrawn": _withdraw,
    "review": _leave,
    "review_late": _leave,
    "turned_down": _leave,
}


def _later(refund: Refund, hours: float) -> datetime:
    return refund.submitted_at + timedelta(hours=hours)
