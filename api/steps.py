"""The steps of ``refunds/lifecycle/`` that persons take, as the API offers them, each with the words it needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from rest_framework import serializers

from accounts.models import User
from accounts.roles import Role
from api.door import Strict
from api.errors import Problem
from refunds import lifecycle
from refunds.grounds import GROUNDS
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import Destination, Ground, Refund
from refunds.payouts import releasing

# The system's steps have no address at all.
OF_PERSONS = {name: step for name, step in STEPS.items() if step.who - {Role.SYSTEM}}


#: What a step's body may hold, by the parameter of its function: optional where the step has a default.
FIELDS: dict[str, Callable[..., serializers.Field]] = {
    "note": lambda **options: serializers.CharField(max_length=500, allow_blank=not options["required"], **options),
    "amount_fen": lambda **options: serializers.IntegerField(min_value=1, **options),
    "offer_id": lambda **options: serializers.IntegerField(min_value=1, **options),
    "ground": lambda **options: serializers.CharField(max_length=20, **options),
    "of": lambda **options: serializers.ChoiceField(["buyer", "merchant"], **options),
    "whom": lambda **options: serializers.ChoiceField(["supplier", "technician"], **options),
}


class AnyWords(serializers.Serializer):
    """Which step takes which of these stands above. `note`: what people read; `amount_fen`: of a part offer, left out
    to offer a new code; `offer_id`: the offer that was read; `ground`: of a refusal or an appeal."""

    note = serializers.CharField(max_length=500, required=False, allow_blank=True)
    amount_fen = serializers.IntegerField(min_value=1, required=False)
    offer_id = serializers.IntegerField(min_value=1, required=False)
    ground = serializers.CharField(max_length=20, required=False)
    of = serializers.ChoiceField(["buyer", "merchant"], required=False)
    whom = serializers.ChoiceField(["supplier", "technician"], required=False)


def words_of(step: str) -> type[Strict]:
    """What this step's body may hold, read from the parameters of its function."""
    fields = {name: FIELDS[name](required=is_needed) for name, is_needed in parameters_of(step)}
    return type(f"WordsOf_{step}", (Strict,), fields)


def parameters_of(step: str) -> list[tuple[str, bool]]:
    """[(name, whether it is needed)] of what a program says with this step."""
    found = inspect.signature(_function(step)).parameters
    return [(name, found[name].default is inspect.Parameter.empty) for name in FIELDS if name in found]


def take(step: str, refund: Refund, *, by: User, at: datetime, **words: Any) -> None:
    """Take one step on one case. Raises StepRefused."""
    if step == "disburse" and refund.destination == Destination.ORIGINAL:
        releasing.release_alone(refund, by=by, at=at)  # sets aside what the channel would refuse
        return
    if step == "credit_balance":
        releasing.demand_alone(refund, by=by)
    function = _function(step)
    takes_many = "refunds" in inspect.signature(function).parameters
    function([refund] if takes_many else refund, by=by, at=at, **words)


def demand_evidence_is_asked(refund: Refund, *, by: User) -> None:
    """Before an image is painted for nothing; the step itself looks again under the lock."""
    if not lifecycle.roles_on(refund, by) & STEPS["provide_evidence"].who:
        raise StepRefused("not_yours", "只有申请退款的买家，或被要求的商家可以补充材料。")
    if refund.status not in STEPS["provide_evidence"].sources:
        raise Problem("evidence_not_asked")


def release(refunds: Sequence[Refund], *, by: User, at: datetime) -> dict[str, dict[str, str]]:
    """放款 of many; each line says what became of it (PM7). By refund_no."""
    released = releasing.release_chosen(refunds, by=by, at=at)
    lines = [(refund, "sent", "", "") for refund in released.sent]
    lines += [(refund, "set_aside", "", why) for refund, why in released.set_aside]
    lines += [(refund, "refused", refusal.code, str(refusal)) for refund, refusal in released.refused]
    return {
        refund.refund_no: {"result": result, "code": code, "detail": detail} for refund, result, code, detail in lines
    }


def described() -> str:
    """The table for the reader of the schema: who may take which step from where, and what its body holds."""
    rows = ["| step | 名称 | 状态 | 谁 | 内容（* 必填） |", "|---|---|---|---|---|"]
    for name, step in sorted(OF_PERSONS.items()):
        words = ", ".join(f"{field}{'*' * is_needed}" for field, is_needed in parameters_of(name)) or "–"
        sources, who = (", ".join(sorted(values)) for values in (step.sources, step.who - {Role.SYSTEM}))
        rows.append(f"| `{name}` | {step.title} | {sources} | {who} | {words} |")
    grounds = "、".join(f"`{code}` {ground.title}" for code, ground in GROUNDS.items())
    appeals = "、".join(f"`{code}` {title}" for code, title in Ground.choices)
    return "\n".join(
        [
            *rows,
            "",
            f"驳回的 `ground`：{grounds}。申诉的 `ground`：{appeals}（有新凭证的请在网页上申诉，以便附图）。",
            "图片经 `/evidence/` 提交。状态不符回答 409，不是您的步骤回答 403。",
        ]
    )


def _function(step: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(lifecycle, step)
    return function
