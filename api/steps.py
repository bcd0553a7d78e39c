"""The steps of ``refunds/lifecycle.py`` that persons take, as the API offers them, each with the words it needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rest_framework import serializers

from accounts.models import User
from accounts.roles import Role
from api.door import NoQuery, Strict
from api.errors import Problem
from refunds import disbursement, lifecycle
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import Destination, Refund

# The system's steps have no address at all.
OF_PERSONS = {name: step for name, step in STEPS.items() if step.who - {Role.SYSTEM}}


class NeedsNote(Strict):
    note = serializers.CharField(max_length=500)


class MayHaveNote(Strict):
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


class AnyWords(serializers.Serializer):
    """`note`: what the buyer reads. Which steps need it stands above."""

    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


def words_of(step: str) -> type[Strict]:
    """What this step's body may hold, read from the parameters of its function."""
    note = inspect.signature(_function(step)).parameters.get("note")
    if note is None:
        return NoQuery
    return NeedsNote if note.default is note.empty else MayHaveNote


def take(step: str, refund: Refund, *, by: User, at: datetime, **words: Any) -> None:
    """Take one step on one case. Raises StepRefused."""
    if step == "disburse" and refund.destination == Destination.ORIGINAL:
        disbursement.release([refund], by=by, at=at)  # sets aside what the channel would refuse
        return
    function = _function(step)
    takes_many = "refunds" in inspect.signature(function).parameters
    function([refund] if takes_many else refund, by=by, at=at, **words)


def demand_evidence_is_asked(refund: Refund, *, by: User) -> None:
    """Before an image is painted for nothing; the step itself looks again under the lock."""
    if not lifecycle.roles_on(refund, by) & STEPS["provide_evidence"].who:
        raise StepRefused("not_yours", "只有申请退款的买家可以补充材料。")
    if refund.status not in STEPS["provide_evidence"].sources:
        raise Problem("evidence_not_asked")


def release(refunds: Sequence[Refund], *, by: User, at: datetime) -> dict[str, dict[str, str]]:
    """放款 of many; each line says what became of it (PM7). By refund_no."""
    released = disbursement.release_each(refunds, by=by, at=at)
    lines = [(refund, "sent", "", "") for refund in released.sent]
    lines += [(refund, "set_aside", "", why) for refund, why in released.set_aside]
    lines += [(refund, "refused", refusal.code, str(refusal)) for refund, refusal in released.refused]
    return {
        refund.refund_no: {"result": result, "code": code, "detail": detail} for refund, result, code, detail in lines
    }


def described() -> str:
    """The table for the reader of the schema: who may take which step from where, and what its body holds."""
    rows = ["| step | 名称 | 状态 | 谁 | note |", "|---|---|---|---|---|"]
    for name, step in sorted(OF_PERSONS.items()):
        note = {NeedsNote: "必填", MayHaveNote: "可选"}.get(words_of(name), "–")
        sources, who = (", ".join(sorted(values)) for values in (step.sources, step.who - {Role.SYSTEM}))
        rows.append(f"| `{name}` | {step.title} | {sources} | {who} | {note} |")
    return "\n".join([*rows, "", "图片经 `/evidence/` 提交。状态不符回答 409，不是您的步骤回答 403。"])


def _function(step: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(lifecycle, step)
    return function
