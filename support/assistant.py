"""助手: what a buyer asks about a refund, answered from its record before a person has to (S3-19).

Pure: ``answer`` reads ``Known`` and nothing else; what it does not know it does not say. Every answer names its source,
and a person is always offered beside it. Statuses are not named here: where a case stands, whose turn it is and by when
are ``refunds.stages``' own words, so that a new status has a true answer the day it is there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import clock
from support.models import Topic


class Intent(models.TextChoices):
    """What may be asked, in the words of the buttons."""

    PROGRESS = "progress", gettext_lazy("我的退款到哪了？")
    MISSING = "missing", gettext_lazy("缺什么材料？")
    ARRIVAL = "arrival", gettext_lazy("什么时候到账？")
    WHY = "why", gettext_lazy("为什么没通过？")
    APPEAL = "appeal", gettext_lazy("不同意结果怎么办？")
    HUMAN = "human", gettext_lazy("转人工")


#: Typed questions: the first row with a word of it. Written small, in half-width letters.
KEYWORDS: list[tuple[Intent, tuple[str, ...]]] = [
    (Intent.HUMAN, ("转人工", "找人工", "人工客服", "真人", "找客服", "联系客服", "human", "real person", "agent")),
    (Intent.APPEAL, ("申诉", "不服", "不同意", "不认可", "再申请", "重新申请", "appeal", "disagree", "again")),
    (Intent.WHY, ("为什么", "为何", "为啥", "凭什么", "被拒", "拒绝", "驳回", "没通过", "未通过", "不通过", "why",
                  "reject", "refuse", "denied")),
    (Intent.MISSING, ("材料", "凭证", "证据", "举证", "截图", "补充", "缺", "missing", "evidence", "proof", "document",
                      "upload", "screenshot")),
    (Intent.ARRIVAL, ("到账", "入账", "收到钱", "没收到", "多久", "几天", "什么时候", "何时", "arrive", "how long",
                      "when", "money", "receive")),
    (Intent.PROGRESS, ("哪", "进度", "状态", "处理", "退款", "审核", "where", "status", "progress", "refund", "stand")),
]  # fmt: skip

TOPIC_OF = {Intent.MISSING: Topic.EVIDENCE, Intent.HUMAN: Topic.OTHER}


@dataclass(frozen=True)
class Known:
    """What the record of one case says. ``asked_for``: what the buyer is asked to add now; ``slots``: each proof that
    the reason needs, and whether it is there; ``can_appeal``: whether that step is open to the buyer now."""

    refund_no: str
    entry: int  # of the record, the latest
    entered_at: datetime
    headline: str
    who: str
    next_step: str
    by: datetime | None
    by_label: str
    is_late: bool
    money: str
    is_moving: bool
    asked_for: str
    slots: Sequence[tuple[str, bool]]
    has_left: bool  # money has left us
    arrived_at: datetime | None
    arrival_from: date | None
    arrival_until: date | None
    arrival_is_estimate: bool
    is_refused: bool
    refused_because: str
    refused_at: datetime | None
    can_appeal: bool


@dataclass(frozen=True)
class Answer:
    """``source`` says where it comes from; empty where there was nothing to say."""

    intent: Intent | None
    sentences: Sequence[str]
    source: str

    @property
    def text(self) -> str:
        """As it is kept in a ticket."""
        return "\n".join([*self.sentences, *([self.source] if self.source else [])])


def understand(question: str) -> Intent | None:
    """What a typed question asks; None where no word of it is known."""
    plain = unicodedata.normalize("NFKC", question).casefold()
    return next((intent for intent, words in KEYWORDS if any(word in plain for word in words)), None)


def topic_of(intent: Intent | None) -> Topic:
    """Under which topic it goes to a person."""
    return TOPIC_OF.get(intent, Topic.REFUND) if intent else Topic.OTHER


def answer(intent: Intent | None, known: Known | None) -> Answer:
    """In the reader's language."""
    if intent is None:
        return Answer(None, [_("没有听懂。请从下面的问题里选一个，或转人工。")], "")
    if known is None:
        return Answer(intent, [_("没有选退款单，查不到记录。请先选一张退款单，或转人工。")], "")
    return Answer(intent, list(SAID[intent](known)), _source(known))


def _source(known: Known) -> str:
    facts = {"number": known.refund_no, "entry": known.entry, "at": _moment(known.entered_at)}
    return _("来自退款单 %(number)s 的记录（第 %(entry)d 条，%(at)s）。") % facts


def _progress(known: Known) -> Iterator[str]:
    yield _("%(headline)s。") % {"headline": known.headline}
    if known.is_moving:
        yield _("现在由%(who)s处理。") % {"who": known.who}
    if known.by and known.by_label:
        facts = {"label": known.by_label, "at": _deadline(known.by)}
        yield (_("%(label)s：%(at)s。请转人工催办。") if known.is_late else _("%(label)s：%(at)s。")) % facts
    yield known.next_step


def _missing(known: Known) -> Iterator[str]:
    if known.asked_for:
        yield _("需要您补充：%(wanted)s") % {"wanted": known.asked_for}
        if known.by:
            yield _("请在 %(at)s 前，在退款页补充。") % {"at": _deadline(known.by)}
    elif known.is_moving:
        yield _("现在没有要求您补充材料。")
    else:
        yield _("这张退款单已结束，不再收材料。")
    absent = [title for title, is_there in known.slots if not is_there]
    if absent:
        yield _("按退款原因通常要有、而您没有提交的：%(titles)s。") % {"titles": "、".join(absent)}
    elif known.slots:
        yield _("按退款原因要有的凭证都已提交。")


def _arrival(known: Known) -> Iterator[str]:
    yield _("钱款去向：%(money)s。") % {"money": known.money}
    if known.arrived_at:
        yield _("记录的到账时间：%(at)s。") % {"at": _moment(known.arrived_at)}
    elif known.arrival_until and known.has_left:
        facts = {"first": known.arrival_from or known.arrival_until, "last": known.arrival_until}
        yield _("预计 %(first)s 至 %(last)s 到账，以银行入账为准。") % facts
        if known.arrival_is_estimate:
            yield _("节假日安排尚未公布，日期是估计。")
    elif known.is_moving:
        yield _("还没有到账日期：%(next)s") % {"next": known.next_step}
    else:
        yield _("这张退款单已结束：%(headline)s。") % {"headline": known.headline}


def _why(known: Known) -> Iterator[str]:
    if not known.is_refused:
        yield _("这张退款单没有被拒：%(headline)s。") % {"headline": known.headline}
        return
    at = _moment(known.refused_at) if known.refused_at else ""
    yield _("%(at)s 未通过，理由：%(reason)s") % {"at": at, "reason": known.refused_because or "–"}
    yield known.next_step


def _appeal(known: Known) -> Iterator[str]:
    if not known.is_refused:
        yield _("这张退款单还没有不通过的结论：%(headline)s。") % {"headline": known.headline}
    elif known.can_appeal:
        yield _("可以申诉：在退款页点“申诉”，写明新的凭证或审核忽略的地方，由另一位同事处理。")
    else:
        yield known.next_step
    yield _("也可以拨打 12315 消费者投诉热线，或在微信支付、支付宝的账单里反馈。")


def _human(known: Known) -> Iterator[str]:
    yield _("好的。点“转人工”，您的问题、这张退款单和记录会一并交给客服，不用重说。")
    yield from _progress(known)


SAID = {
    Intent.PROGRESS: _progress,
    Intent.MISSING: _missing,
    Intent.ARRIVAL: _arrival,
    Intent.WHY: _why,
    Intent.APPEAL: _appeal,
    Intent.HUMAN: _human,
}


def _moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}"


def _deadline(at: datetime) -> str:
    day, hour = clock.last_moment(at)
    return f"{day:%Y-%m-%d} {hour}"
