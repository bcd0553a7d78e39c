"""常用回复: chosen and put into the text, or chosen alone; rewritten by operators, with every version kept (K4)."""

from __future__ import annotations

import importlib

import pytest
from django.urls import reverse

import clock
from accounts.desk import page_url
from refunds import canned, grounds
from refunds.admin.desk_steps import NOTED
from refunds.lifecycle import STEPS
from refunds.models import CannedReply, Status
from tests.attacks import refusal
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def replies(operator):
    words = {"text_en": "", "by": operator, "at": clock.now()}
    plain = canned.add(step="approve", ground="", title="核对属实", text="{单号} 属实，退 {金额}。", **words)
    refusal = canned.add(step="reject", ground="not_so", title="不符", text="记录显示〔事实〕。", **words)
    asking = canned.add(step="request_evidence", ground="", title="补图", text="请补截图。", **words)
    return {"approve": plain, "reject": refusal, "request_evidence": asking}


def test_the_choice_itself_is_used_where_nothing_is_written(sits, reviewer, reviewed, replies):
    refund = reviewed()
    seat = sits(reviewer)
    dialog = text(seat.dialog("approve", refund))
    words = f"{refund.refund_no} 属实，退 ¥88.00。"
    assert f'data-text="{words}"' in dialog
    assert "补图" not in dialog
    seat.does("approve", refund, reply=str(replies["approve"].pk))
    refund.refresh_from_db()
    assert (refund.status, refund.decision_note) == (Status.APPROVED, words)


def test_what_is_written_goes_before_the_choice(sits, reviewer, reviewed, replies):
    refund = reviewed()
    sits(reviewer).does("request_evidence", refund, reply=str(replies["request_evidence"].pk), note="请补订单截图")
    refund.refresh_from_db()
    assert refund.evidence_request == "请补订单截图"


def test_a_reply_brings_its_ground_and_its_gaps_must_be_filled(sits, reviewer, reviewed, replies):
    refund = reviewed()
    seat = sits(reviewer)
    chosen = {"reply": str(replies["reject"].pk)}
    assert "请把〔…〕处填写完整" in text(seat.does("reject", refund, **chosen))
    seat.does("reject", refund, note="记录显示 11-20 已退。", **chosen)
    refund.refresh_from_db()
    assert (refund.status, refund.refusal_ground) == (Status.REJECTED, "not_so")


def test_an_operator_writes_rewrites_and_retires_and_all_versions_stay(sits, operator, reviewer, replies):
    seat, old = sits(operator), replies["approve"]
    assert sits(reviewer).does("rewrite", old, title="改", text="改").status_code == 403
    assert sits(reviewer).get(reverse("admin:refunds_cannedreply_add")).status_code == 403
    page = seat.reads(seat.does("rewrite", old, title="核对属实", text="情况属实。", text_en="It is so."))
    assert "{单号} 属实，退 {金额}。" in page  # below, among the versions before
    new = CannedReply.objects.get(replaces=old)
    assert [row.text for row in canned.in_use("approve").filter(pk__gte=old.pk)] == ["情况属实。"]
    assert "已被同事改写" in text(seat.dialog("rewrite", old))
    seat.does("retire", new)
    assert not canned.in_use("approve").filter(pk__gte=old.pk).exists()
    form = {"step": "close", "ground": "", "title": "已解决", "text": "双方已解决。", "text_en": ""}
    answer = seat.client.post(reverse("admin:refunds_cannedreply_add"), form)
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    assert CannedReply.objects.get(title="已解决", text="双方已解决。").written_by == operator
    assert "改写" in text(seat.get(page_url(CannedReply.objects.latest("pk"))))


def test_the_house_comes_with_replies_for_steps_that_take_them():
    """Read from the migration: tests that flush the database take its rows with them."""
    rows = importlib.import_module("refunds.migrations.0015_canned_replies").REPLIES
    assert len(rows) >= 12
    for step, ground, title, said, english in rows:
        assert step in set(NOTED) & set(STEPS), title
        assert len(title) <= 40
        assert 0 < len(said) <= 500
        assert 0 < len(english) <= 500
        assert ground in grounds.GROUNDS if step == "reject" else not ground, title


@pytest.mark.parametrize(
    ("attack", "rule"),
    [
        ("UPDATE refunds_cannedreply SET text = 'x'", "Cannot update"),
        ("UPDATE refunds_cannedreply SET retired_at = NULL WHERE retired_at IS NOT NULL", "Cannot update"),
        ("DELETE FROM refunds_cannedreply", "Cannot delete"),
        ("INSERT INTO refunds_cannedreply (step, ground, title, text, text_en, written_at) "
         "VALUES ('reject', '', 'x', '', '', now())", "canned_reply_says_something"),
        ("INSERT INTO refunds_cannedreply (step, ground, title, text, text_en, written_at, retired_by_id) "
         "VALUES ('reject', '', 'x', 'x', '', now(), {operator})", "retired_canned_reply_says_when"),
    ],
)  # fmt: skip
def test_the_database_keeps_every_version(attack, rule, replies, operator):
    canned.retire(replies["approve"], by=operator, at=clock.now())
    assert rule in refusal(attack.format(operator=operator.pk))
