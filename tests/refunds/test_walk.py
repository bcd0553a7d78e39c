"""A random walk: random people take random steps, allowed and not, time moves, machines and banks work; after every
step the rules about cases hold, and once people do their work every case comes to rest (PM4, I4, I5, I8, I10).

A seed replays: ``pytest tests/refunds/test_walk.py -k "walk and 7"``.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

import clock
from accounts.roles import Role
from cardshop import invariants
from payments import refunding
from payments.models import AttemptStatus, RefundAttempt
from refunds import applying, clocking, disbursement, lifecycle, sweeping
from refunds.applying import Application
from refunds.grounds import GROUNDS
from refunds.lifecycle import AT_REST, PLATFORM, SAME, STEPS, StepRefused
from refunds.models import Ground, Queue, Refund, RefundEvent, Status
from tests.cases import CARD, LARGE, House, take

pytestmark = pytest.mark.django_db

# What people buy: a shop that is asked first or not, above the limit or not, by card, of two codes, not delivered.
BASKETS = [
    {"price_fen": 8800, "merchant_hours": 24},
    {"price_fen": LARGE, "merchant_hours": 24},
    {"price_fen": LARGE},
    {"price_fen": 30_000, "quantity": 2, "merchant_hours": 12},
    {"price_fen": 8800, "funding": CARD},
    {"price_fen": LARGE, "stock": 0},
]
HOW_LONG = [{"minutes": 20}, {"hours": 5}, {"hours": 13}, {"days": 1}, {"days": 2}, {"days": 8}]
NOTES = ["按记录处理", "记录显示已使用", "3 名买家从这台设备申请退款", ""]
ENDS = ["SUCCESS", "SUCCESS", "SUCCESS", "ABNORMAL", "CLOSED"]
CHECKS = [
    invariants.moving_things_have_owners,
    invariants.only_listed_steps_were_taken,
    invariants.who_decides_is_somebody_else,
    invariants.each_case_is_paid_once,
    invariants.parts_sum_up,
]
PUTS_OFF = {"request_evidence", "request_more", "send_back", "halt", "reopen", "make_offer", "propose_offer"}
STAFF = ["reviewer", "colleague", "senior", "other_senior", "finance", "cashier"]


class Walk:
    def __init__(self, house: House, seed: int) -> None:
        self.house, self.dice, self.trail = house, random.Random(seed), []
        self.people = {**house.people(), "system": None}
        self.orders = [house.buy(**basket) for basket in BASKETS]
        for order in self.orders[:4]:
            house.reveal(order)
        for order in self.orders:
            self.asks(order)

    def goes(self, steps: int) -> None:
        moves = {self.takes_what_is_offered: 60, self.tries_anything: 20, self.time_passes: 8, self.bank_works: 8,
                 self.machine_works: 8, self.asks_again: 4}  # fmt: skip
        for _ in range(steps):
            (move,) = self.dice.choices(list(moves), list(moves.values()))
            events = RefundEvent.objects.count()
            move()
            if RefundEvent.objects.count() != events:
                self.demand(CHECKS)

    # --- moves ---

    def takes_what_is_offered(self) -> None:
        refund, who = self.somebody()
        if self.people[who] and (offered := lifecycle.allowed_steps(refund, self.people[who])):
            self.tries(refund, who, self.dice.choice(offered))

    def tries_anything(self) -> None:
        refund, who = self.somebody()
        step = self.dice.choice(list(STEPS))
        if who == "system" and not STEPS[step].title:  # what machines do, they do by their own code
            who = "operator"
        self.tries(refund, who, step)

    def time_passes(self) -> None:
        clock.advance(timedelta(**self.dice.choice(HOW_LONG)))
        self.machine_works()

    def machine_works(self) -> None:
        at = clock.now()
        for _ in range(20):
            if not sweeping.sweep(at=at) + refunding.sweep(at=at) + disbursement.hear(at=at):
                return

    def bank_works(self) -> None:
        """One refund that a channel has reaches an end at the bank, and the shop hears of it."""
        self.ends(list(RefundAttempt.objects.filter(status=AttemptStatus.ACCEPTED))[:1], self.dice.choice(ENDS))

    def asks_again(self) -> None:
        self.asks(self.dice.choice(self.orders))

    # --- how ---

    def somebody(self) -> tuple[Refund, str]:
        refund = self.dice.choice(list(Refund.objects.select_related("order__policy").order_by("pk")))
        mine = [name for name, person in self.people.items() if person and lifecycle.allowed_steps(refund, person)]
        return refund, self.dice.choice(mine if mine and self.dice.random() < 0.8 else list(self.people))

    def asks(self, order) -> None:
        words = {"destination": self.dice.choice(["original", "original", "balance"])}
        order = type(order).objects.get(pk=order.pk)
        try:
            applying.submit(order, Application("other", "11月20日兑换时出错", **words), by=order.buyer, at=clock.now())
        except StepRefused:
            return
        self.machine_works()

    def tries(self, refund: Refund, who: str, step: str) -> bool:
        before, status = refund.events.count(), Status(refund.status)
        try:
            self.takes(refund, who, step)
        except StepRefused as refusal:
            self.trail.append(f"{refund.pk} {status} {who} {step}: {refusal.code}")
            assert refund.events.count() == before, self.told()
            return False
        self.trail.append(f"{refund.pk} {status} {who} {step} → {Refund.objects.get(pk=refund.pk).status}")
        return True

    def takes(self, refund: Refund, who: str, step: str) -> None:
        by, dice = self.people[who], self.dice
        if step in {"disburse", "credit_balance"}:  # by the way that the doors go
            disbursement.release([refund], by=by, at=clock.now())
            return
        words = {
            "note": dice.choice(NOTES), "ground": dice.choice([*GROUNDS, *Ground.values] if step != "appeal" else
            Ground.values), "amount_fen": dice.choice([None, 1, refund.amount_fen // 2, refund.amount_fen]),
            "of": dice.choice(["buyer", "merchant"]), "to": dice.choice([None, *self.people.values()]),
        }  # fmt: skip
        if step == "propose_offer":
            words["amount_fen"] = dice.choice([None, refund.amount_fen - 1])
        take(step, refund, by, **words)

    def ends(self, attempts, how: str) -> None:
        at = clock.now()
        for attempt in attempts:
            self.house.simulator.settle(attempt.request_no, how)
            refunding.hint(attempt.payment.account, attempt.request_no, at=at)
        self.machine_works()

    def demand(self, checks) -> None:
        broken = [line for check in checks for line in check()]
        assert not broken, (broken, self.told())

    def told(self) -> str:
        return "\n".join(self.trail[-25:])

    # --- the end ---

    def nobody_answers(self) -> None:
        """Everybody is silent for as long as any promise lasts: machines answer for shops and buyers, operators hear of
        the rest, and what is not decided is not forgotten."""
        for _ in range(20):
            clock.advance(timedelta(days=2))
            self.machine_works()
        self.demand(CHECKS)
        silent = Refund.objects.filter(status__in=Status.undecided())
        assert {refund.status for refund in silent} <= PLATFORM, self.told()
        assert {refund.queue for refund in silent} <= {Queue.OPERATOR}, self.told()
        at = clock.now()
        assert all(refund.next_due_at <= at + clocking.LOOK_AGAIN for refund in silent)

    def people_do_their_work(self) -> None:
        """Whoever may, decides; nobody asks for more. The bank pays out what it has. Buyers and shops stay silent, but
        that a buyer signs where nothing else is left."""
        for _ in range(150):
            moving = [refund for refund in Refund.objects.select_related("order__policy") if not _rests(refund)]
            if not moving:
                return
            for refund in moving:
                self.somebody_decides(refund)
            under_way = [AttemptStatus.ACCEPTED, AttemptStatus.RETURNED]
            self.ends(RefundAttempt.objects.filter(status__in=under_way, disbursement__isnull=False), "SUCCESS")
            self.house.simulator.clock(2)
            clock.advance(timedelta(hours=20))
            self.machine_works()
        raise AssertionError(f"not at rest: {[(r.pk, r.status, r.queue) for r in moving]}\n{self.told()}")

    def somebody_decides(self, refund: Refund) -> None:
        who = [*self.dice.sample(STAFF, len(STAFF)), *(["buyer"] if refund.status == Status.RETURNED else [])]
        for name in who:
            for step in lifecycle.allowed_steps(refund, self.people[name]):
                if STEPS[step].target == SAME and step != "explain_missing":
                    continue
                if step not in PUTS_OFF and self.tries(refund, name, step):
                    return


def _rests(refund: Refund) -> bool:
    return refund.status in AT_REST or (refund.status == Status.PAID_OUT and refund.queue == Queue.NOBODY)


def walk(house: House, seed: int, steps: int) -> set[str]:
    """Which steps were taken."""
    walks = Walk(house, seed)
    walks.goes(steps)
    walks.nobody_answers()
    walks.people_do_their_work()
    walks.demand([lambda: invariants.broken(house.simulator.ledger())])
    return set(RefundEvent.objects.values_list("step", flat=True))


@pytest.mark.parametrize("seed", [7, 2026])
def test_a_random_walk_ends_at_rest(seed, house):
    assert len(walk(house, seed, 250)) > 15


TAKEN: set[str] = set()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_ten_thousand_random_steps_end_at_rest(seed, house):
    TAKEN.update(walk(house, seed, 500))


def test_the_walk_meets_everybody(house):
    """It would prove little if nobody of a role ever came by."""
    assert {person.role for person in house.people().values()} == set(Role) - {Role.SYSTEM}
