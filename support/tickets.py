"""工单: a buyer asks, an agent answers, in time; nobody's question waits in silence (S2-3, S3-19, S3-20).

    (open) → waiting ⇄ answered → closed
                ↑___________________|   reopened once, within 7 days

``STEPS`` is the whole table. A ticket decides nothing about money: it points to the case that there is, or to the
application (``pointer``, S3-21), and no step here makes one. What support is late with goes one up: to the seniors,
then to the operators, who are told again and again. What the buyer leaves unanswered is closed after 7 days, in words.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

import workqueue
from accounts import agents
from accounts.models import User
from accounts.rights import Act
from images import Repainted
from orders import talk
from orders.models import Order
from refunds.models import Refund, Status
from support import hours, people, pictures, words
from support.models import Ticket, TicketEvent, TicketMessage, Tier, Topic, Voice
from support.models import TicketStatus as S

log = logging.getLogger(__name__)

LABEL = "support.ticket"
SWEEP = "support.sweep"
BATCH = 50
MOST_OPEN = 5  # tickets of one buyer at once
MOST_A_DAY = 10
MOST_AN_HOUR = 20  # messages of one buyer, in all tickets together
LONGEST_WORDS = 500
AGAIN_AFTER_MINUTES = 120  # of service: operators are told again of what still waits
REOPENS_WITHIN = timedelta(days=7)
LAPSES_AFTER = timedelta(days=7)
LAPSED = gettext_noop("客服答复后 7 天没有新的消息，系统自动关闭。还有问题可以重开一次。")


@dataclass(frozen=True)
class Step:
    """From where to where, and who takes it."""

    sources: frozenset[S]
    target: S
    who: str  # "buyer", "agent", "system"


OPEN = frozenset({S.WAITING, S.ANSWERED})
STEPS: dict[str, Step] = {
    "claim": Step(OPEN, S.WAITING, "agent"),  # the status stays
    "hand_over": Step(OPEN, S.WAITING, "agent"),  # the status stays
    "answer": Step(OPEN, S.ANSWERED, "agent"),
    "ask": Step(OPEN, S.WAITING, "buyer"),
    "close": Step(OPEN, S.CLOSED, "agent"),
    "escalate": Step(frozenset({S.WAITING}), S.WAITING, "system"),
    "lapse": Step(frozenset({S.ANSWERED}), S.CLOSED, "system"),
    "reopen": Step(frozenset({S.CLOSED}), S.WAITING, "buyer"),
}


class CannotDo(Exception):
    """Not theirs, not now, or too much. The message is for whoever tried."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- the buyer's side -------------------------------------------------------------------------------------------------


def open_ticket(
    *, topic: Topic, text: str, by: User, at: datetime, order: Order | None = None, refund: Refund | None = None,
    images: Sequence[Repainted] = (), assistant: str = "",
) -> Ticket:  # fmt: skip
    """提交工单. ``assistant``: what it answered already, kept behind the question, so that nothing is asked twice.

    Raises CannotDo, words.CannotWrite, pictures.TooManyPictures.
    """
    order = refund.order if refund else order
    if order and not people.are_one(order.buyer, by):
        raise CannotDo("not_yours", _("这不是您的订单。"))
    if refund is None and order is not None:
        refund = pointer(order)
    said = words.read(text)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)  # counted one at a time
        _demand_few(by, at)
        due = hours.after(at, settings.SUPPORT_FIRST_ANSWER_MINUTES)
        ticket = Ticket.objects.create(
            buyer=by, topic=topic, order=order, refund=refund, opened_at=at, promised_by=due, next_due_at=due
        )
        _write(ticket, said, Voice.BUYER, by, at)
        if assistant:
            _write(ticket, assistant[:2000], Voice.ASSISTANT, None, at)
        pictures.store(ticket, images, by=by, at=at)
        _record(ticket, "open", by, at)
    return ticket


def pointer(order: Order) -> Refund | None:
    """The case of this order that is under way: a ticket leads there, and is never a second application (S3-21)."""
    return Refund.objects.filter(order=order, status__in=Status.active()).order_by("-pk").first()


def ask(ticket: Ticket, text: str, *, by: User, at: datetime, images: Sequence[Repainted] = ()) -> None:
    """补充说明 by the buyer. What support has not answered yet keeps its deadline."""
    said = words.read(text)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        with _step("ask", ticket, by=by, at=at) as row:
            _demand_patience(by, at)
            _write(row, said, Voice.BUYER, by, at)
            pictures.store(row, images, by=by, at=at)
            if row.promised_by is None:
                _wait(row, at, settings.SUPPORT_NEXT_ANSWER_MINUTES)
            if row.agent_id:
                people.tell([row.agent_id], "ticket_asked", path=desk_path(row), source=_source(row), at=at, **_of(row))


def reopen(ticket: Ticket, text: str, *, by: User, at: datetime) -> None:
    """重开, once, within seven days; it goes to whoever had it."""
    said = words.read(text)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        with _step("reopen", ticket, by=by, at=at) as row:
            if refusal := why_not_reopen(row, at):
                raise CannotDo("too_late", refusal)
            _demand_few(by, at)
            _demand_patience(by, at)
            row.reopened_at, row.closed_at, row.closing_words = at, None, ""
            _write(row, said, Voice.BUYER, by, at)
            _wait(row, at, settings.SUPPORT_NEXT_ANSWER_MINUTES)
            if row.agent_id:
                people.tell([row.agent_id], "ticket_asked", path=desk_path(row), source=_source(row), at=at, **_of(row))


def why_not_reopen(ticket: Ticket, at: datetime) -> str:
    """Empty if it may be reopened now."""
    if ticket.status != S.CLOSED or ticket.closed_at is None:
        return _("工单没有关闭，直接补充说明即可。")
    if ticket.reopened_at is not None:
        return _("这张工单已经重开过一次，请提交新的工单。")
    return "" if at <= ticket.closed_at + REOPENS_WITHIN else _("关闭已超过 7 天，请提交新的工单。")


def of(buyer: User) -> QuerySet[Ticket]:
    """A buyer's tickets, with those of the guests that they claimed."""
    return Ticket.objects.filter(buyer__in=people.accounts_of(buyer)).select_related("order", "refund", "buyer")


# --- the agent's side -------------------------------------------------------------------------------------------------


def claim(ticket: Ticket, *, by: User, at: datetime) -> None:
    """认领. What a colleague has is taken over by nobody but a senior or an operator, or once it is late."""
    with _step("claim", ticket, by=by, at=at) as row:
        _demand_free(row, by, at)
        row.agent = by


def hand_over(ticket: Ticket, *, to: int, note: str, by: User, at: datetime) -> None:
    """转交 to the agent with this number, with a word among colleagues: complex matters stay with one."""
    with _step("hand_over", ticket, by=by, at=at, note=note) as row:
        _demand_mine(row, by, at)
        person = agents.at_work(to)
        if person is None or not people.may_work(person, Act.ANSWER, LABEL, buyer=row.buyer, order=row.order):
            raise CannotDo("not_an_agent", _("工号 %(number)d 不能处理这张工单。") % {"number": to})
        row.agent = person
        people.tell([person.pk], "ticket_handed", path=desk_path(row), source=_source(row), at=at, **_of(row))


def last_question(ticket: Ticket) -> TicketMessage | None:
    """What the buyer wrote last."""
    return ticket.messages.filter(voice=Voice.BUYER).order_by("-pk").first()


def answer(ticket: Ticket, text: str, *, by: User, at: datetime, read: int | None = None) -> None:
    """答复; who answers what nobody had claimed has it from then on. ``read``: the key of the buyer's last message that
    they have read: nobody is answered over what was not read, and left without a deadline."""
    said = words.read(text)
    talk.demand_ours(words.warnings_in(said))
    with _step("answer", ticket, by=by, at=at) as row:
        _demand_mine(row, by, at)
        _demand_read(row, read)
        row.agent, row.tier = by, Tier.AGENT
        row.first_answered_at = row.first_answered_at or at
        row.promised_by, row.next_due_at = None, at + LAPSES_AFTER
        _write(row, said, Voice.AGENT, by, at)
        _tell_buyer(row, "ticket_answered", at)


def close(ticket: Ticket, closing_words: str, *, by: User, at: datetime, read: int | None = None) -> None:
    """关闭, always with words that the buyer reads. ``read`` as in ``answer``."""
    said = words.read(closing_words, longest=LONGEST_WORDS)
    talk.demand_ours(words.warnings_in(said))
    with _step("close", ticket, by=by, at=at) as row:
        _demand_mine(row, by, at)
        _demand_read(row, read)
        row.agent = by
        _close(row, words.masked(said, row.order)[:LONGEST_WORDS], at)


def is_late(ticket: Ticket, at: datetime) -> bool:
    return ticket.promised_by is not None and ticket.promised_by < at


# --- the machine's side -----------------------------------------------------------------------------------------------


def sweep(*, at: datetime) -> int:
    """Escalate what is late, close what the buyer has left; up to a batch. Returns how many were looked at."""
    with transaction.atomic():
        due = workqueue.claim(Ticket.objects.all(), at=at, limit=BATCH)
    for ticket in due:
        try:
            _look(ticket, at)
        except CannotDo:  # answered or closed meanwhile
            continue
        except (
            Exception
        ):  # one that cannot be dealt with stops no other (F12); its lease runs out, and it is tried again
            log.exception("ticket %s cannot be dealt with", ticket.ticket_no)
    return len(due)


def _look(ticket: Ticket, at: datetime) -> None:
    if ticket.status == S.WAITING:
        with _step("escalate", ticket, by=None, at=at, is_due=True) as row:
            minutes = AGAIN_AFTER_MINUTES if row.tier == Tier.OPERATOR else settings.SUPPORT_ESCALATION_MINUTES
            row.tier = people.NEXT[Tier(row.tier)]
            row.next_due_at = hours.after(at, minutes)
            source = f"ticket-late:{row.pk}:{row.events.count()}"
            people.tell_tier(Tier(row.tier), "ticket_late", path=desk_path(row), source=source, at=at, **_of(row))
    else:
        with _step("lapse", ticket, by=None, at=at, is_due=True) as row:
            _close(row, LAPSED, at)


# --- how a step is taken ----------------------------------------------------------------------------------------------


@contextmanager
def _step(
    name: str, ticket: Ticket, *, by: User | None, at: datetime, note: str = "", is_due: bool = False
) -> Iterator[Ticket]:
    """The only code that writes ``status``: lock, refuse what the table does not list, act, record. Raises CannotDo."""
    step = STEPS[name]
    with transaction.atomic():
        rows = Ticket.objects.select_for_update(no_key=True, of=("self",)).select_related("buyer", "order__shop")
        row = rows.get(pk=ticket.pk)
        _demand_right(step, row, by)
        if S(row.status) not in step.sources or (is_due and (row.next_due_at is None or row.next_due_at > at)):
            raise CannotDo("wrong_status", _("工单现在是“%(now)s”，不能这样做。") % {"now": row.get_status_display()})
        before = row.status
        yield row
        row.status = before if name in {"claim", "hand_over"} else step.target
        row.leased_until = None
        row.save()
        _record(row, name, by, at, note)
    ticket.refresh_from_db()


def _demand_right(step: Step, row: Ticket, by: User | None) -> None:
    """Read inside the transaction that needs it."""
    allowed = {
        "buyer": by is not None and people.are_one(row.buyer, by),
        "agent": by is not None and people.may_work(by, Act.ANSWER, LABEL, buyer=row.buyer, order=row.order),
        "system": by is None,
    }
    if not allowed[step.who]:
        raise CannotDo("not_yours", _("您不能处理这张工单。"))


def _demand_free(row: Ticket, by: User, at: datetime) -> None:
    if row.agent_id in {None, by.pk} or by.role in {people.ROLE_OF[Tier.SENIOR], people.ROLE_OF[Tier.OPERATOR]}:
        return
    if not is_late(row, at):
        raise CannotDo("taken", _("%(agent)s 正在处理，请先由其转交。") % {"agent": agents.title(row.agent_id or 0)})


def _demand_mine(row: Ticket, by: User, at: datetime) -> None:
    if row.agent_id != by.pk:
        _demand_free(row, by, at)


def _demand_read(row: Ticket, read: int | None) -> None:
    latest = last_question(row) if read is not None else None
    if latest and latest.pk != read:
        raise CannotDo("unread", _("买家刚刚又写了一条，请看过再答复。"))


def _demand_few(by: User, at: datetime) -> None:
    """The buyer is locked."""
    mine = Ticket.objects.filter(buyer=by)
    if mine.exclude(status=S.CLOSED).count() >= MOST_OPEN:
        words_ = _("您有 %(most)d 张工单还没有关闭，请在其中补充，客服都能看到。")
        raise CannotDo("too_many", words_ % {"most": MOST_OPEN})
    if mine.filter(opened_at__gt=at - timedelta(days=1)).count() >= MOST_A_DAY:
        raise CannotDo("too_often", _("一天最多提交 %(most)d 张工单，请明天再试。") % {"most": MOST_A_DAY})


def _demand_patience(by: User, at: datetime) -> None:
    said = TicketMessage.objects.filter(author=by, at__gt=at - timedelta(hours=1))
    if said.count() >= MOST_AN_HOUR:
        raise CannotDo("too_often", _("一小时最多留言 %(most)d 条，请稍后再说。") % {"most": MOST_AN_HOUR})


def _wait(row: Ticket, at: datetime, minutes: int) -> None:
    row.tier = Tier.AGENT
    row.promised_by = row.next_due_at = hours.after(at, minutes)


def _close(row: Ticket, closing_words: str, at: datetime) -> None:
    row.closed_at, row.closing_words, row.promised_by, row.next_due_at = at, closing_words, None, None
    _tell_buyer(row, "ticket_closed", at)


def _write(row: Ticket, said: str, voice: Voice, by: User | None, at: datetime) -> None:
    """``said`` is tidied; the assistant's own words hold nothing to mask."""
    kept = said if voice == Voice.ASSISTANT else words.masked(said, row.order, before=_said_before(row, by, at))
    TicketMessage.objects.create(
        ticket=row, voice=voice, author=by, text=kept[:2000], at=at,
        warnings=[] if voice == Voice.ASSISTANT else words.warnings_in(said),
    )  # fmt: skip


def _said_before(row: Ticket, by: User | None, at: datetime) -> list[str]:
    rows = TicketMessage.objects.filter(ticket=row, author=by, at__gt=at - talk.TOGETHER_WITHIN).order_by("-id")
    return list(rows.values_list("text", flat=True)[: talk.MOST_TOGETHER])[::-1]


def _record(row: Ticket, step: str, by: User | None, at: datetime, note: str = "") -> None:
    TicketEvent.objects.create(ticket=row, step=step, actor=by, note=note.strip()[:500], at=at)


def _tell_buyer(row: Ticket, kind: str, at: datetime) -> None:
    reader = row.buyer.claimed_by_id or row.buyer_id
    people.tell([reader], kind, path=f"/support/tickets/{row.ticket_no}/", source=_source(row), at=at, **_of(row))


def _source(row: Ticket) -> str:
    """What comes next in this ticket's record: each step is told once."""
    return f"ticket:{row.pk}:{row.events.count()}"


def _of(row: Ticket) -> dict[str, str]:
    return {"ticket_no": row.ticket_no}


def desk_path(row: Ticket) -> str:
    return f"/admin/support/ticket/{row.pk}/change/"
