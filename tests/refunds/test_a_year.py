"""A simulated year: cases of every kind, with people who answer, answer late or never, from due time to due time.

Nobody's case is forgotten: at every step each open case has an owner and a time. What a machine does by itself it does
on the moment that a slow count gives, day by day, from the numbers of the policy alone (``Slow``): it knows nothing of
``clocks.py`` or ``clocking.py``. Spring Festival and National Day 2026 are in it, and 2027, whose plan nobody has
published.
"""

from __future__ import annotations

import heapq
import itertools
import random
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from notices.models import Notice
from orders import delivery, placing
from orders.placing import Wish
from payments import channels
from payments.models import Payment, PaymentStatus
from refunds import applying, disbursement, lifecycle, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import Destination, Queue, Refund, RefundEvent
from refunds.models import Status as S
from shops.models import CardCode, Shop, SupplierAnswer
from shops.stock import Viewer, add
from tests.cast import person
from workcalendar import current

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EXACT = timedelta(milliseconds=1)  # hours are floats in places; people are told minutes
BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=SHANGHAI), datetime(2027, 3, 31, tzinfo=SHANGHAI)
IS_OVER = ENDS + 45 * DAY
SEASONS = [  # more of the cases are asked for around these
    (datetime(2026, 2, 9, tzinfo=SHANGHAI), 20),  # Spring Festival, with make-up Saturdays before and after it
    (datetime(2026, 9, 17, tzinfo=SHANGHAI), 26),  # Mid-Autumn and National Day
    (datetime(2026, 12, 26, tzinfo=SHANGHAI), 12),  # into the year that nobody has published
    (datetime(2027, 2, 1, tzinfo=SHANGHAI), 20),
]
PLATFORM = {S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW}
WAITS = {S.OFFERED, S.AWAITING_EVIDENCE}
LARGE = 60_000
#: The numbers of the requirements; each shop sells under other ones.
POLICIES: list[dict[str, Any]] = [
    {"merchant_hours": 24},
    {"merchant_hours": 24, "working_time": ["first_review", "second_review", "appeal_review", "approved"]},
    {"merchant_hours": 12, "working_time": [], "offer_hours": 24, "evidence_hours": 48},
    {
        "merchant_hours": 48, "offer_hours": 24, "decide_within_days": 9, "urge_after_hours": 24,
        "working_time": ["merchant_review", "offered", "awaiting_evidence", "first_review", "second_review",
                         "appeal_review", "approved"],
    },
    {"merchant_hours": 0, "decide_within_days": 6, "appeal_days": 3},
]  # fmt: skip


# --- the oracle -------------------------------------------------------------------------------------------------------


class Slow:
    """By when each status of one case ends: replayed from its events, a day at a time."""

    def __init__(self, case: Refund, terms: Any) -> None:
        self.case, self.terms = case, terms
        self.left: timedelta | None = None
        self.review_due: datetime | None = None
        self.promised: datetime | None = None
        self.entered: datetime | None = None
        self.queue_is_operators = self.is_seniors = False
        self.decide_by = case.submitted_at + terms.decide_within_days * DAY
        self.status = S.SUBMITTED

    def after(self, at: datetime, hours: float, status: S) -> datetime:
        lasts = timedelta(hours=hours)
        if status not in self.terms.working_time:
            return at + lasts
        while True:
            end = datetime.combine(at.astimezone(SHANGHAI).date() + DAY, datetime.min.time(), SHANGHAI)
            if works(at.astimezone(SHANGHAI).date()):
                if at + lasts < end:
                    return at + lasts
                lasts -= end - at
            at = end

    def counted(self, start: datetime, end: datetime, status: S) -> timedelta:
        if end <= start or status not in self.terms.working_time:
            return max(end - start, timedelta(0))
        total = timedelta(0)
        day = start.astimezone(SHANGHAI).date()
        while day <= end.astimezone(SHANGHAI).date():
            first = datetime.combine(day, datetime.min.time(), SHANGHAI)
            if works(day):
                total += max(timedelta(0), min(end, first + DAY) - max(start, first))
            day += DAY
        return total

    def enter(self, event: RefundEvent) -> None:
        came_from, self.status, at = self.status, S(event.to_status), event.at
        self.entered, self.queue_is_operators, self.is_seniors = at, False, False
        if came_from == S.REJECTED:  # an appeal, or a correction, has as long as the application had
            self.decide_by = at + self.terms.decide_within_days * DAY
        review_hours = self.case.review_hours or self.terms.review_hours
        if self.status == S.MERCHANT_REVIEW:
            self.review_due = self.after(at, review_hours, S.FIRST_REVIEW)
            self.promised = self.after(at, min(self.terms.merchant_hours, review_hours / 2), self.status)
        elif self.status in WAITS:
            counts_as = S.FIRST_REVIEW if came_from == S.MERCHANT_REVIEW else came_from
            assert self.review_due is not None
            self.left = self.counted(at, self.review_due, counts_as)
            hours = self.terms.offer_hours if self.status == S.OFFERED else self.terms.evidence_hours
            self.promised = self.after(at, hours, self.status)
        elif self.status in PLATFORM:
            least = self.after(at, 8, self.status)
            if came_from in WAITS:
                assert self.left is not None
                self.review_due = max(least, self.after(at, self.left / HOUR, self.status))
            elif came_from == S.MERCHANT_REVIEW:
                assert self.review_due is not None
                self.review_due = max(least, self.review_due)
            else:
                hours = {
                    S.FIRST_REVIEW: review_hours,
                    S.SECOND_REVIEW: self.terms.second_review_hours,
                    S.APPEAL_REVIEW: self.terms.appeal_review_hours,
                }[self.status]
                self.review_due = self.after(at, hours, self.status)
            self.promised = self.review_due
        elif self.status == S.APPROVED:
            self.promised = self.after(at, self.terms.release_hours, self.status)
        else:
            self.promised = None

    def goes_up(self, at: datetime) -> None:
        """From a reviewer to the seniors, from them to the operators; on the last day at once to these."""
        is_reviewers = self.status == S.FIRST_REVIEW and not self.is_seniors
        self.queue_is_operators = at >= self.decide_by or not is_reviewers
        self.is_seniors = True
        self.extend(at, 24)

    def extend(self, at: datetime, hours: float) -> None:
        assert self.promised is not None
        self.promised = max(self.promised, self.after(at, hours, self.status))

    def ends(self) -> datetime | None:
        """When the machine must act on it, whatever nobody does."""
        if self.status in PLATFORM:
            assert self.promised is not None
            assert self.entered is not None
            if self.queue_is_operators:
                return None
            return max(min(self.promised, self.decide_by), self.entered)
        return self.promised if self.status in {S.MERCHANT_REVIEW, *WAITS} else None

    def mark(self, percent: int) -> datetime:
        """When so much of the time is over."""
        assert self.promised is not None
        assert self.entered is not None
        whole = self.counted(self.entered, self.promised, self.status)
        return self.after(self.entered, whole / HOUR * percent / 100, self.status)


def works(day: date) -> bool:
    return current.calendar().is_working(day)


BY_SILENCE = {
    S.MERCHANT_REVIEW: {"agree", "agree_above_limit", "contest"},
    S.OFFERED: {"lapse_offer"},
    S.AWAITING_EVIDENCE: {"lapse_evidence"},
    **dict.fromkeys(PLATFORM, {"escalate"}),
}


def check(case: Refund, year: Year) -> None:
    """Every event of the case, and every reminder, is where the slow count has it; what it says never happened, did."""
    oracle = Slow(case, case.order.policy)
    events = list(case.events.order_by("sequence"))
    reminded = _reminders(case)
    due_marks: set[datetime] = set()
    for event, following in itertools.pairwise([*events, None]):
        if event is None:
            break
        if event.step == "escalate":
            oracle.goes_up(event.at)
        elif event.step == "consult":
            oracle.extend(event.at, case.order.policy.consult_hours)
        elif event.to_status != event.from_status:
            oracle.enter(event)
        until = following.at if following else year.at
        due_marks |= _marks_until(oracle, until, case)
        ends = oracle.ends()
        if ends is None or ends > until + EXACT:
            assert following is None or following.step not in BY_SILENCE.get(oracle.status, set()) or following.actor_id
            continue
        assert following is not None, f"{case}: forgotten in {oracle.status} since {ends}"
        assert following.actor_id is None, f"{case}: {following} after its time was over ({ends})"
        assert following.step in BY_SILENCE[oracle.status]
        assert abs(following.at - ends) <= EXACT, f"{case}: {following} at {following.at}, due at {ends}"
        if oracle.status in case.order.policy.working_time and ends == oracle.promised:
            assert works(ends.astimezone(SHANGHAI).date())
        year.by_silence[following.step] += 1
    assert _near(reminded, due_marks), f"{case}: reminded at {sorted(reminded)}, due {sorted(due_marks)}"
    for event in events:  # the platform's people decide, whoever keeps silent
        if event.from_status in PLATFORM and event.to_status in {S.APPROVED, S.REJECTED, S.CLOSED}:
            assert event.actor_id, f"{case}: {event}"


def _marks_until(oracle: Slow, until: datetime, case: Refund) -> set[datetime]:
    """Reminders of a shop or a buyer at half and four fifths of the time."""
    if oracle.status not in {S.MERCHANT_REVIEW, *WAITS}:
        return set()
    return {mark for mark in (oracle.mark(50), oracle.mark(80)) if mark < until - EXACT}


def _reminders(case: Refund) -> set[datetime]:
    kinds = ["refund_remind_buyer", "shop_refund_remind", "shop_refund_remind_evidence"]
    found = Notice.objects.filter(kind__in=kinds, source__startswith=f"refund-remind:{case.pk}:")
    return set(found.values_list("created_at", flat=True))


def _near(found: set[datetime], expected: set[datetime]) -> bool:
    pairs = zip(sorted(found), sorted(expected), strict=False)
    return len(found) == len(expected) and all(abs(one - other) <= EXACT for one, other in pairs)


# --- the people -------------------------------------------------------------------------------------------------------


@dataclass
class Year:
    """Shops, buyers and staff; who does what next, and when."""

    dice: random.Random
    products: list[Any]
    merchants: dict[int, Any]
    buyers: list[Any]
    reviewers: list[Any]
    seniors: list[Any]
    finance: Any
    supplier: Any
    at: datetime = BEGINS
    plans: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    number: Any = field(default_factory=itertools.count)
    known: dict[int, str] = field(default_factory=dict)
    by_silence: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ["agree", "agree_above_limit", "contest", "lapse_offer", "lapse_evidence", "escalate"], 0
        )
    )
    given_up: set[int] = field(default_factory=set)  # cases that some of us will never look at
    too_late: int = 0
    swept_at: datetime | None = None
    swept: int = 0

    def plan(self, at: datetime, act: Callable[[], None]) -> None:
        heapq.heappush(self.plans, (at, next(self.number), act))

    # --- time

    def run(self) -> None:
        """From due time to due time: the machine first, then whoever has planned something."""
        while True:
            due = Refund.objects.filter(next_due_at__isnull=False).order_by("next_due_at").values_list(
                "next_due_at", flat=True
            ).first()  # fmt: skip
            planned = self.plans[0][0] if self.plans else None
            times = [moment for moment in (due, planned) if moment]
            if not times or min(times) > IS_OVER:
                self.at = IS_OVER
                return
            self.at = max(self.at, min(times))
            if due and due <= self.at:
                self.sweep()
            else:
                heapq.heappop(self.plans)[2]()
            self.look_around()

    def sweep(self) -> None:
        """What is due is done, and due again later: nothing spins."""
        self.swept = self.swept + 1 if self.swept_at == self.at else 1
        self.swept_at = self.at
        assert self.swept <= 4, "the same case is due again and again"
        sweeping.sweep(at=self.at)

    def look_around(self) -> None:
        """Nobody is forgotten (I4); whoever's turn it has become, plans what they do."""
        rows = list(Refund.objects.exclude(status__in=S.at_rest()))
        for case in rows:
            assert case.queue != Queue.NOBODY, case
            assert case.next_due_at is not None, case
            assert case.next_due_at >= self.at, case
            assert case.tries == 0, f"{case} failed"
            promised = case.promised_by or self.at
            assert case.next_due_at <= max(promised, self.at + DAY), f"{case}: nobody looks in time"
        open_now = {case.pk for case in rows}
        ended = [pk for pk, status in self.known.items() if pk not in open_now and status not in S.at_rest()]
        for case in [*rows, *Refund.objects.filter(pk__in=ended)]:
            if self.known.get(case.pk) != case.status:
                self.known[case.pk] = case.status
                self.decide_what_to_do(case)

    # --- what people do

    def decide_what_to_do(self, case: Refund) -> None:
        turn = {
            S.MERCHANT_REVIEW: self.shops_turn,
            S.OFFERED: self.offer_is_answered,
            S.AWAITING_EVIDENCE: self.evidence_is_given,
            S.FIRST_REVIEW: self.reviewers_turn,
            S.SECOND_REVIEW: self.seniors_turn,
            S.APPEAL_REVIEW: self.seniors_turn,
            S.APPROVED: self.finances_turn,
            S.REJECTED: self.appeals,
        }.get(S(case.status))
        if turn:
            turn(case)
        if case.status in PLATFORM and self.dice.random() < 0.15:
            share = self.dice.uniform(0.1, 3)
            self.later(case, share, lambda c: lifecycle.urge(c, by=c.buyer, at=self.at), {"too_early"})
        if case.status in S.active() and self.dice.random() < 0.02:
            self.later(case, self.dice.uniform(0, 1), lambda c: lifecycle.withdraw(c, by=c.buyer, at=self.at))

    def later(self, case: Refund, share: float, act: Callable[[Any], None], refusals: Collection[str] = ()) -> None:
        """At this share of the time promised, beyond 1 too late. A case that has moved on is left alone by then, and
        the machine's answer stands."""
        begins, ends, status = self.at, case.promised_by or self.at + DAY, case.status
        answers = status in {S.MERCHANT_REVIEW, S.OFFERED}

        def go() -> None:
            now = Refund.objects.select_related("order__policy", "buyer").get(pk=case.pk)
            if now.status != status:
                if share >= 1 and answers:
                    with pytest.raises(StepRefused):
                        act(now)
                    self.too_late += 1
                return
            if now.entered_at != case.entered_at and answers:
                return  # it was asked, or offered, anew meanwhile: this would answer another question
            try:
                act(now)
            except StepRefused as refusal:
                if refusal.code not in refusals:
                    raise

        moment = begins + (ends - begins) * share
        if moment > IS_OVER:
            self.given_up.add(case.pk)
        self.plan(moment, go)

    def shares(self) -> float | None:
        """In time; at the very second or late; never."""
        return self.dice.choice(
            [self.dice.uniform(0.02, 0.98), self.dice.uniform(0.02, 0.98), self.dice.uniform(1.0, 1.8), None]
        )

    def shops_turn(self, case: Refund) -> None:
        by = self.merchants[case.order.shop_id]
        if self.dice.random() < 0.25:  # meanwhile the issuer says that it was used
            self.plan(self.at + HOUR, lambda: self.redeemed(case))
        share = self.shares()
        if share is None:
            return
        is_large = lifecycle.above_limit([case])

        def answer(now: Refund) -> None:
            kind = self.dice.choice(["agree", "contest", "offer"])
            if kind == "contest":
                lifecycle.contest([now], by=by, at=self.at, note="卡密正常")
            elif is_large:
                lifecycle.agree_above_limit([now], by=by, at=self.at)
            elif kind == "agree":
                lifecycle.agree([now], by=by, at=self.at)
            else:
                lifecycle.offer(now, by=by, at=self.at, note="只退一半", amount_fen=now.amount_fen // 2)

        self.later(case, share, answer)

    def redeemed(self, case: Refund) -> None:
        code = CardCode.objects.get(delivery__line__order=case.order_id)
        SupplierAnswer.objects.create(
            supplier=self.supplier, about=f"code:{code.pk}", at=self.at, effective_at=self.at, state="redeemed",
            body="{}", timestamp="1", nonce="n", signature="s", public_key_digest="0" * 64,
        )  # fmt: skip

    def offer_is_answered(self, case: Refund) -> None:
        if (share := self.shares()) is None:
            return
        yes = self.dice.random() < 0.5
        act = lifecycle.accept_offer if yes else lifecycle.decline_offer
        self.later(case, share, lambda now: act(now, by=now.buyer, at=self.at), {"needs_second_person"})

    def evidence_is_given(self, case: Refund) -> None:
        if (share := self.shares()) is None or share >= 1:
            return
        by = self.merchants[case.order.shop_id] if case.queue == Queue.MERCHANT else case.buyer
        self.later(case, share, lambda now: lifecycle.provide_evidence(now, by=by, at=self.at, note="补好了"))

    def reviewers_turn(self, case: Refund) -> None:
        self.decided_by_people(case, self.review)

    def seniors_turn(self, case: Refund) -> None:
        self.decided_by_people(case, self.review_again)

    def decided_by_people(self, case: Refund, decide: Callable[[Refund], None]) -> None:
        """In time, late, long after the operator's alarm; at the end of the year some are never looked at."""
        dice = self.dice.random()
        if dice < 0.1 and self.at > ENDS - 25 * DAY:
            self.given_up.add(case.pk)
            return
        if dice < 0.6:
            share = self.dice.uniform(0.02, 0.98)
        else:
            share = self.dice.uniform(1.0, 3) if dice < 0.85 else self.dice.uniform(3, 7)
        self.later(case, share, decide)

    def review(self, case: Refund) -> None:
        by, large = self.fresh(case, [*self.reviewers, *self.seniors]), bool(lifecycle.above_limit([case]))
        asked = case.events.filter(step="request_evidence").count()
        kind = self.dice.choice(["yes", "yes", "no", "no", "ask", "ask the shop", "consult", "offer"])
        if kind.startswith("ask") and asked < 2:
            of = "merchant" if kind == "ask the shop" else "buyer"
            lifecycle.request_evidence([case], by=by, at=self.at, note="请补截图", of=of)
        elif kind == "consult" and not case.consultations.exists():
            lifecycle.consult(case, by=by, at=self.at, note="是否已兑换")
            self.later(Refund.objects.get(pk=case.pk), self.dice.uniform(0.1, 2), self.review)
        elif kind == "offer" and case.amount_fen > 10:
            offer = lifecycle.propose_offer if large else lifecycle.make_offer
            offer(case, by=by, at=self.at, note="退一部分", amount_fen=case.amount_fen // 2)
        elif kind == "no":
            lifecycle.reject([case], by=by, at=self.at, note="凭证与订单不符")
        elif large:
            lifecycle.uphold([case], by=by, at=self.at)
        else:
            lifecycle.approve([case], by=by, at=self.at)

    def fresh(self, case: Refund, people: list[Any]) -> Any:
        """Somebody who has had nothing to do with it (P18)."""
        known = set(case.events.exclude(actor=None).values_list("actor_id", flat=True))
        return next(one for one in people if one.pk not in known)

    def review_again(self, case: Refund) -> None:
        at = self.at
        by = self.fresh(case, self.seniors)
        kind, large = self.dice.choice(["yes", "yes", "no", "back"]), bool(lifecycle.above_limit([case]))
        if case.status == S.APPEAL_REVIEW:
            if kind == "no":
                lifecycle.dismiss_appeal([case], by=by, at=at, note="维持")
            elif kind == "back" and not case.events.filter(step="request_more").exists():
                lifecycle.request_more([case], by=by, at=at, note="请补截图")
            elif large:
                lifecycle.uphold_appeal([case], by=by, at=at)
            else:
                lifecycle.grant_appeal([case], by=by, at=at)
        elif kind == "no":
            lifecycle.reject_second([case], by=by, at=at, note="凭证不足")
        elif kind == "back" and not case.events.filter(step="send_back").exists():
            lifecycle.send_back([case], by=by, at=at, note="请核对兑换记录")
        elif case.offers.filter(answer="").exists():
            lifecycle.confirm_offer(case, by=by, at=at)
        else:
            lifecycle.approve_second([case], by=by, at=at)

    def finances_turn(self, case: Refund) -> None:
        """Released in time, or late; what goes to the original route waits for its money: no channel is about."""
        if case.destination == Destination.BALANCE and case.lane == "standard":
            share = self.dice.choice([self.dice.uniform(0.02, 0.98), self.dice.uniform(1, 4)])
            self.later(case, share, lambda now: disbursement.release([now], by=self.finance, at=self.at))

    def appeals(self, case: Refund) -> None:
        if case.appeal_until is None or self.dice.random() < 0.4:
            return
        is_late = self.dice.random() < 0.3
        share = 1.0 if is_late else self.dice.uniform(0.02, 0.98)

        def go() -> None:
            now = Refund.objects.select_related("order__policy", "buyer").get(pk=case.pk)
            if is_late:
                with pytest.raises(StepRefused, match="申诉期已过"):
                    lifecycle.appeal(now, by=now.buyer, at=self.at, note="审核遗漏了兑换记录")
                return
            lifecycle.appeal(now, by=now.buyer, at=self.at, note="审核遗漏了兑换记录")

        self.plan(self.at + (case.appeal_until - self.at) * share, go)

    # --- how it begins

    def apply(self) -> None:
        """An order paid an hour ago, whose code was looked at, and an application."""
        at, product, buyer = self.at - HOUR, self.dice.choice(self.products), self.dice.choice(self.buyers)
        order = placing.place(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=at)
        Payment.objects.create(
            order=order, account=channels.account("wechat"), amount_fen=order.total_fen, status=PaymentStatus.PAID,
            created_at=at, expires_at=order.expires_at, paid_at=at, channel_transaction_id=uuid.uuid4().hex,
        )  # fmt: skip
        delivery.mark_paid(order, at=at)
        order.refresh_from_db()
        viewer = Viewer(buyer, "203.0.113.7", "phone")
        delivery.reveal(order.lines.get(), viewer=viewer, at=at + HOUR / 2, verified_by="password")
        wanted = Destination.ORIGINAL if self.at > ENDS - 20 * DAY else Destination.BALANCE
        words = applying.Application("invalid_code", "兑换时提示卡密已使用", destination=wanted)
        applying.submit(order, words, by=buyer, at=self.at)


@pytest.fixture
def make_year(make_product: Any, supplier: Any) -> Callable[[int, int], Year]:
    def make(seed: int, cases: int) -> Year:
        dice = random.Random(seed)
        products, merchants = [], {}
        for number, terms in enumerate(POLICIES):
            shop = Shop.objects.create(name=f"店 {number}", created_at=BEGINS)
            merchants[shop.pk] = person(f"merchant{number}", "merchant")
            shop.members.add(merchants[shop.pk])
            words = {"shop": shop, "supplier": supplier, "code": f"year{number}"}
            products += [
                make_product(price_fen=price, stock=0, name=f"卡 {number} {price}", **words | terms)
                for price, words["code"] in ((8800, f"year{number}"), (LARGE, f"year{number}-large"))
            ]
        for product in products:
            add(product, [f"CODE-{uuid.uuid4()}" for _ in range(cases)], at=BEGINS - 10 * DAY)
        people = {role: [person(f"{role}{n}", role) for n in range(count)]
                  for role, count in {"buyer": 6, "reviewer": 4, "senior": 12, "finance": 1}.items()}  # fmt: skip
        year = Year(dice, products, merchants, people["buyer"], people["reviewer"], people["senior"],
                    people["finance"][0], supplier)  # fmt: skip
        for _ in range(cases):
            first, days = dice.choice([*SEASONS, (BEGINS, (ENDS - BEGINS).days)])
            year.plan(first + timedelta(days=days) * dice.random(), year.apply)
        return year

    return make


def test_a_year_in_which_nobody_is_forgotten(make_year: Any) -> None:
    """S0-11, S1-10, S4-9, S4-11, I4, P10: sixty cases from January 2026 to March 2027."""
    year = live_through(make_year(1, 60))
    assert all(year.by_silence.values()), f"each kind of silence came: {year.by_silence}"
    assert year.too_late


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 22))
def test_a_thousand_cases_of_a_year(make_year: Any, seed: int) -> None:
    live_through(make_year(seed, 50))


def live_through(year: Year) -> Year:
    year.run()
    for case in Refund.objects.select_related("order__policy").order_by("pk"):
        check(case, year)
        is_at_rest = case.status in S.at_rest()
        waits_for_money = case.status == S.APPROVED and case.destination == Destination.ORIGINAL
        was_left = case.pk in year.given_up and case.status in PLATFORM and case.queue == Queue.OPERATOR
        assert is_at_rest or waits_for_money or was_left, f"{case}: {case.status}, {case.queue}"
    return year
