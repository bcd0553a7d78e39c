"""存疑: what is closed here and may have been paid there, as the channel's own bill says (I11).

Bills are read above us (``reconciliation``), which names itself in ``SOURCES``. Until a person has cleared such a
difference up, nothing of its case is sent a second time: it could pay the buyer twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

from payments.models import AttemptStatus
from refunds.models import Disbursement, Refund

#: Each is asked for the open differences about these numbers: {商户退款单号: the row that a person clears up}.
SOURCES: list[Callable[[Sequence[str]], dict[str, Model]]] = []
PAID_THERE = _("渠道账单显示上一笔已退，而我方记为关闭。查清并了结这条差错之前不能再发，以免重复退款。")


def of(refunds: Sequence[Refund]) -> dict[int, dict[str, Model]]:
    """{case: {number: its open difference}}. One query where nothing was closed, which is nearly always."""
    sent = Disbursement.objects.filter(refund__in=refunds, attempt__status=AttemptStatus.CLOSED)
    case_of = dict(sent.values_list("attempt__request_no", "refund_id"))
    found: defaultdict[int, dict[str, Model]] = defaultdict(dict)
    for source in SOURCES if case_of else []:
        for number, row in source(list(case_of)).items():
            found[case_of[number]][number] = row
    return dict(found)
