"""The dialogs of a batch of payouts: how large it may be, and what each step means."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.desk import DialogForm, key, me, note_field
from form_fields import YuanField
from refunds.models import BatchStatus as B
from refunds.models import PayoutBatch
from refunds.payouts import batches, totals

USUAL_LINES, USUAL_FEN = 200, 5_000_000
NOT_BY_MAKER = "制单人不能复核自己的批次，请由另一位同事复核。"


class BatchForm(forms.ModelForm):
    """How large the batch may be, and from which account: the order is the application's, whoever asks."""

    most_yuan = YuanField(
        label="最多金额（元）", widget=UnfoldAdminTextInputWidget({"inputmode": "decimal", "autocomplete": "off"})
    )

    class Meta:
        model = PayoutBatch
        fields = ("most_lines", "account")
        help_texts = {"account": "留空：所有渠道账户，以及退至余额的。"}  # noqa: RUF012

    field_order = ("most_lines", "most_yuan", "account")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "most_lines" in self.fields:
            self.fields["most_lines"].initial = USUAL_LINES
            self.fields["most_lines"].help_text = f"1–{batches.MOST_LINES} 笔，按申请先后，各店铺轮流。"
            self.fields["most_yuan"].initial = USUAL_FEN // 100


class StepForm(DialogForm):
    """A step of a batch: what it is about. Everything is asked again under its lock."""

    template = "admin/refunds/payoutbatch/dialog.html"
    told = ""

    @cached_property
    def row(self) -> PayoutBatch | None:
        return PayoutBatch.objects.select_related("made_by", "account").filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        return "" if self.row else "没有这一批。"

    def facts(self) -> dict[str, Any]:
        return {"row": self.row, "told": self.told}


class ProposeForm(StepForm):
    told = "提交后明细与合计不再改变，由另一位财务复核。"


class ApproveForm(StepForm):
    """The checker sees the totals once more, with the accounts that are short."""

    told = "通过后系统按次序逐笔放款，款项离开平台账户，不能撤回；可随时暂停未发的。"

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这一批。"
        own = self.row.status == B.PROPOSED and self.row.made_by_id == me(self.request).pk
        return NOT_BY_MAKER if own else ""

    def facts(self) -> dict[str, Any]:
        found = totals.preview(self.row) if self.row and not self.refusal else None
        return super().facts() | {"accounts": found.accounts if found else []}


class GoOnForm(StepForm):
    told = "未发的继续逐笔放款。"


class RetryForm(StepForm):
    told = "只重试“未放款”、且仍是“审核通过”的；已放款和转退款异常的不动。"


class ReasonForm(StepForm):
    reason = note_field(required=True, label="原因", help_text="同事可见，不超过 200 字。")


class StopForm(ReasonForm):
    told = "未发的停下等候；已放款的照常到账。"


class CallOffForm(ReasonForm):
    told = "未发的离开这一批，可以放进别的批次；已放款的不受影响。"
