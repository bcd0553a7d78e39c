"""演示经过: what happens on an order before anybody asks for its money: talk, work, delay, cancellation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from accounts.models import User
from cardshop.seeding import endings, pictures
from cardshop.seeding.stories import Story
from orders import cancellation, delivery, service_jobs, talk, watch
from orders.models import Cause, ServiceJob
from refunds import cancellations, disbursement
from shops import stock

People = dict[str, User]


def take(story: Story, people: People) -> None:
    """The story's turn, if it has one. Its order is paid, and seen where it is seen at all."""
    if story.turn:
        TURNS[story.turn](story, people)
        story.order.refresh_from_db()


# --- talk -------------------------------------------------------------------------------------------------------------


def _quarrel(story: Story, people: People) -> None:
    """The buyer pastes the code, the shop wants to leave the platform, the platform warns."""
    buyer, shop = story.order.buyer, people["merchant"]
    viewer = stock.Viewer(buyer, "203.0.113.8", "Mozilla/5.0 (iPhone) MicroMessenger/8.0")
    code = delivery.reveal(story.order.lines.get(), viewer=viewer, at=_later(story, 1))
    said = [
        (1.1, buyer, f"兑换 {code} 一直提示已被使用，是不是发错了？"),
        (1.6, shop, "请打开 http://xinghai-bufa.top/r 登记，或者加微信 xinghai888，我给您补发。"),
        (1.8, buyer, "为什么要去站外？不能在这里处理吗？"),
        (2.5, people["support"], "平台提醒：请勿打开站外链接，也不要加好友。退款和售后只在本页办理，可直接申请退款。"),
    ]
    for hours, author, text in said:
        talk.say(story.order, text, by=author, at=_later(story, hours))


# --- work -------------------------------------------------------------------------------------------------------------


def _working(story: Story, people: People) -> None:
    job, shop = _job(story), people["clerk"]
    talk.say(story.order, "今晚能开始吗？号上的好友请不要动。", by=story.order.buyer, at=_later(story, 0.5))
    talk.say(story.order, "可以，今晚八点前开始，好友和聊天都不会动。", by=shop, at=_later(story, 0.8))
    service_jobs.start(job, by=shop, at=_later(story, 2))
    _report(story, job, people, 40, hours=9, text="打到黄金一，今天手感不错。")


def _done(story: Story, people: People) -> None:
    job, shop = _job(story), people["merchant"]
    service_jobs.start(job, by=shop, at=_later(story, 2))
    _report(story, job, people, 60, hours=20, text="黄金一，明天上午完成。")
    image = pictures.score_board(100)
    service_jobs.hand_over(job, by=shop, at=_later(story, 32), text="已到铂金四，请上号查看。", image=image)
    delivery.confirm(story.order, by=story.order.buyer, at=_later(story, 36))


def _report(story: Story, job: ServiceJob, people: People, percent: int, *, hours: float, text: str) -> None:
    service_jobs.report(
        job, by=people["merchant"], by_shop=True, at=_later(story, hours), text=text,
        image=pictures.score_board(percent), percent=percent,
    )  # fmt: skip


def _job(story: Story) -> ServiceJob:
    return ServiceJob.objects.get(line__order=story.order)


# --- delay and cancellation -------------------------------------------------------------------------------------------


def _overdue(story: Story, people: People) -> None:
    """承诺已过: both sides are told; the money goes back by itself at twice the promise, which is yet to come."""
    promised_at = story.order.promised_at or story.at
    watch.sweep(at=promised_at + timedelta(minutes=1))


def _late(story: Story, people: People) -> None:
    _overdue(story, people)
    canceled_at = watch.automatic_from(story.order) + timedelta(minutes=1)
    watch.sweep(at=canceled_at)
    _give_back(story, canceled_at)


def _out_of_stock(story: Story, people: People) -> None:
    talk.say(story.order, "抱歉，打手这周都排满了，马上为您取消退款。", by=people["merchant"], at=_later(story, 2.9))
    _cancel(story, Cause.OUT_OF_STOCK, people["merchant"], hours=3, reason="打手档期已满，无法按时完成。")


def _changed_mind(story: Story, people: People) -> None:
    _cancel(story, Cause.BUYER, story.order.buyer, hours=0.6, reason="决定自己打。")


def _cancel(story: Story, cause: Cause, by: User, *, hours: float, reason: str) -> None:
    cancellation.cancel(story.order, cause=cause, by=by, at=_later(story, hours), reason=reason)
    _give_back(story, _later(story, hours))


def _give_back(story: Story, canceled_at: datetime) -> None:
    """As the worker does: the cancellation is heard of, its case checked and released, seconds later."""
    cancellations.hear(at=canceled_at + timedelta(seconds=2))
    story.refund = endings.checked(story.order.refunds.get(), at=canceled_at + timedelta(seconds=4))
    disbursement.release([story.refund], by=None, at=canceled_at + timedelta(seconds=6))


TURNS: dict[str, Callable[[Story, People], None]] = {
    "quarrel": _quarrel,
    "working": _working,
    "done": _done,
    "overdue": _overdue,
    "late": _late,
    "out_of_stock": _out_of_stock,
    "changed_mind": _changed_mind,
}


def _later(story: Story, hours: float) -> datetime:
    """So long after the order was placed."""
    return story.at + timedelta(hours=hours)
