"""Two colleagues on one case: one step is taken, and the second reads who was first, when, and what stands now (P2)."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from refunds.models import Status
from tests.desk.conftest import text


@pytest.mark.django_db
def test_the_second_reads_who_was_first(sits, reviewed, reviewer, senior):
    refund = reviewed()
    first, second = sits(reviewer), sits(senior)
    assert "驳回理由" in text(second.dialog("reject", refund))  # already open
    first.does("approve", refund, note="属实")

    answer = second.does("reject", refund, note="不属实", ground="not_so")

    page = second.reads(answer)
    assert "reviewer（客服审核员）已于" in page
    assert "通过。退款单现为“审核通过”，您的操作没有执行。" in page
    late = text(second.dialog("reject", refund))
    assert "reviewer（客服审核员）已于" in late
    assert 'type="submit"' not in late
    refund.refresh_from_db()
    assert refund.status == Status.APPROVED
    assert refund.events.filter(step__in=["approve", "reject"]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_the_very_same_moment_make_one_decision(sits, reviewed, reviewer, senior):
    refund = reviewed()
    gate = threading.Barrier(6)
    pages: list[str] = []

    def decide(person, step: str) -> None:
        seat = sits(person)
        gate.wait()
        pages.append(seat.reads(seat.does(step, refund, note="我来", ground="not_so")))
        connection.close()

    people = [(reviewer, "approve"), (senior, "reject"), (senior, "request_evidence")] * 2
    threads = [threading.Thread(target=decide, args=each) for each in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert refund.events.filter(step__in=["approve", "reject", "request_evidence"]).count() == 1
    assert sum("您的操作没有执行" in page for page in pages) == 5
