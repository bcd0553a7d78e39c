"""人工核实: a top-up that is too long under way lies with a person, who asks the supplier by other ways and decides.

A decision takes the place of the supplier's signed word, so it names what it rests on, and stands in the order's record
with who made it. Never by whoever bought, nor by anybody of the shop (I10). The machine asks on until then; who is
first, decides. It asks afterwards too: the supplier's signed word is kept, and an opposite one told to the operators.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q

import workqueue
from accounts.models import User
from accounts.roles import Role
from orders import history, masking, parties, topups
from orders.delivery import SWEEP
from orders.models import Order, OrderStep, TopUp, TopUpStatus
from orders.topups import UNDER_WAY

LONGEST_PROOF = 500
OUTCOMES = {TopUpStatus.SUCCEEDED: OrderStep.DECIDE_ARRIVED, TopUpStatus.FAILED: OrderStep.DECIDE_FAILED}


class CannotDecide(Exception):
    """It has ended, is not waiting for a person, or is not theirs to decide. The message is for the desk."""


def ask_now(topup: TopUp, *, at: datetime) -> None:
    """再次询问: what waits for its next question is asked about at once, under the same number."""
    waiting = TopUp.objects.filter(Q(leased_until=None) | Q(leased_until__lte=at), pk=topup.pk)
    if not waiting.filter(next_due_at__isnull=False).update(next_due_at=at, tries=0):
        raise CannotDecide("这张直充单已有结果，或正在询问中，请刷新。")
    workqueue.ring(SWEEP)


def decide(topup: TopUp, outcome: TopUpStatus, *, proof: str, by: User, at: datetime) -> TopUp:
    """认定 that it arrived, or that it failed and its money goes back. ``proof``: what the supplier gave the person.

    Raises CannotDecide.
    """
    words = masking.tidy(proof)
    if not words:
        raise CannotDecide("请写明依据：供应商的单号、流水号或书面答复。")
    with transaction.atomic():
        orders = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("policy")
        order = orders.get(lines__topup=topup)
        rows = TopUp.objects.select_for_update(no_key=True, of=("self",)).select_related("line", "supplier")
        locked = rows.get(pk=topup.pk)
        _demand(locked, order, by)
        if outcome == TopUpStatus.FAILED and topups.may_be_on_its_way(locked, at):
            raise CannotDecide("正在询问供应商，请两分钟后再试。")  # its money would go back behind a top-up
        topups.end_by_hand(locked, outcome, proof=masking.mask_own([order.pk], words)[:LONGEST_PROOF], by=by, at=at)
        history.record([order], OUTCOMES[outcome], at=at, by=by, note=f"{locked.topup_no} {locked.proof}")
        topups.conclude(order, [locked], at=at, by=by)
    return locked


def can_be_decided(topup: TopUp) -> bool:
    """What never left us is not decided: it is sent, or its order is canceled."""
    return topup.status in UNDER_WAY and topup.person_due_at is not None


def _demand(topup: TopUp, order: Order, by: User) -> None:
    if not can_be_decided(topup):
        raise CannotDecide(f"这张直充单现在是“{topup.get_status_display()}”，不需要或不能人工认定，请刷新。")
    now = User.objects.filter(pk=by.pk, role=Role.OPERATOR, is_staff=True, is_active=True)
    if not now.exists():
        raise CannotDecide("只有运营管理员可以认定。")
    if parties.has_part(by, order):
        raise CannotDecide("这是您自己买的或您店里的订单，须由其他同事认定。")
