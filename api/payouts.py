"""/api/payouts/: batches of payouts, for finance: one makes a batch, another checks it (``refunds/payouts/``)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

import clock
import reason_given
from accounts import rights
from accounts.models import User
from accounts.rights import Act
from api.door import Door, Shown, Strict, checked
from api.errors import Problem
from payments.models import ChannelAccount
from refunds.models import BatchStatus, LineStatus, PayoutBatch, PayoutLine
from refunds.payouts import batches

MOST_FEN = 10**12

Step = Callable[..., Any]
STEPS: dict[str, Step] = {
    "propose": batches.propose,
    "approve": batches.approve,
    "stop": batches.stop,
    "go_on": batches.go_on,
    "retry_failed": batches.retry_failed,
    "call_off": batches.call_off,
}
SAYS_WHY = {"stop", "call_off"}


class NewBatch(Strict):
    """How large it may be; `account`: the code of one channel account, left out: of all, and what goes to balances.
    Which cases is not chosen: whoever applied first goes first, shops in turn."""

    most_lines = serializers.IntegerField(min_value=1, max_value=batches.MOST_LINES)
    most_fen = serializers.IntegerField(min_value=1, max_value=MOST_FEN)
    account = serializers.CharField(max_length=40, required=False)


class Why(Strict):
    """`reason`: of `stop` and `call_off`, which need one."""

    reason = serializers.CharField(max_length=reason_given.LONGEST, required=False)


class LineOfBatch(Shown):
    refund_no = serializers.CharField(source="refund.refund_no")
    request_no = serializers.CharField(source="disbursement.attempt.request_no", default="", help_text="渠道退款的单号")
    status = serializers.ChoiceField(LineStatus.choices)

    class Meta:
        model = PayoutLine
        fields = ["position", "refund_no", "amount_fen", "status", "reason", "request_no", "handled_at"]


class Batch(Shown):
    status = serializers.ChoiceField(BatchStatus.choices)
    made_by = serializers.CharField(source="made_by.username")
    checked_by = serializers.CharField(source="checked_by.username", default="")
    account = serializers.CharField(source="account.code", default="")
    lines = LineOfBatch(many=True)

    class Meta:
        model = PayoutBatch
        fields = [
            "batch_no", "status", "account", "line_count", "total_fen", "made_by", "made_at", "checked_by",
            "checked_at", "stop_reason", "ended_at", "lines",
        ]  # fmt: skip


class PayoutDoor(Door):
    def demand(self, act: Act) -> User:
        if not rights.may(self.caller, act, batches.MODEL):
            raise Problem("not_yours", "发款批次须由财务操作。")
        return self.caller

    def in_full(self, batch_no: str, status: int = 200) -> Response:
        lines = PayoutLine.objects.select_related("refund", "disbursement__attempt").order_by("position")
        rows = PayoutBatch.objects.select_related("made_by", "checked_by", "account")
        batch = get_object_or_404(rows.prefetch_related(Prefetch("lines", lines)), batch_no=batch_no)
        return Response(Batch(batch).data, status)


class Payouts(PayoutDoor):
    @extend_schema(
        summary="制单：按申请先后组成一批，尚未付款", tags=["payouts"], request=NewBatch, responses={201: Batch}
    )
    def post(self, request: Request) -> Response:
        by = self.demand(Act.PROPOSE)
        words = checked(NewBatch, request.data)
        code = words.pop("account", "")
        account = get_object_or_404(ChannelAccount, code=code) if code else None
        return self.in_full(batches.compose(by=by, at=clock.now(), account=account, **words).batch_no, 201)


class OnePayout(PayoutDoor):
    @extend_schema(summary="一批的合计与逐笔结果", description="财务与运营可见。", tags=["payouts"], responses=Batch)
    def get(self, request: Request, batch_no: str) -> Response:
        self.demand(Act.SEE)
        return self.in_full(batch_no)


class StepOfPayout(PayoutDoor):
    @extend_schema(
        summary="提交复核、复核通过、暂停、继续、重试未放款、撤下",
        description="复核人须是制单人以外的财务（`same_person`）。状态不符回答 409。",
        tags=["payouts"],
        parameters=[OpenApiParameter("step", str, OpenApiParameter.PATH, enum=sorted(STEPS))],
        request=Why,
        responses=Batch,
    )
    def post(self, request: Request, batch_no: str, step: str) -> Response:
        if step not in STEPS:
            raise Problem("no_such_step")
        by, words = self.demand(Act(step)), checked(Why, request.data)
        take(step, get_object_or_404(PayoutBatch, batch_no=batch_no), by=by, at=clock.now(), **words)
        return self.in_full(batch_no)


def take(step: str, batch: PayoutBatch, *, by: User, at: datetime, reason: str = "") -> None:
    """One step of a batch. Raises CannotPay."""
    STEPS[step](batch, by=by, at=at, **({"reason": reason} if step in SAYS_WHY else {}))
