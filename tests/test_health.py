"""/healthz, /readyz and doctor name what is wrong (F2, F3)."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client

import clock
from cardshop.models import Heartbeat
from cardshop.tasks import heartbeat
from workcalendar import plans

pytestmark = pytest.mark.django_db


@pytest.fixture
def beating() -> None:
    """A worker and beat are at work."""
    heartbeat()
    Heartbeat.record("beat")


def failing(client: Client) -> set[str]:
    answer = client.get("/readyz")
    found = {check["name"]: check for check in answer.json()["checks"]}
    failed = {name for name, check in found.items() if not check["ok"]}
    assert answer.status_code == (503 if failed else 200)
    assert all(found[name]["advice"] for name in failed)
    return failed


def test_alive_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok"


@pytest.mark.usefixtures("beating")
def test_ready_when_all_parts_work(client: Client) -> None:
    assert failing(client) == set()


def test_a_silent_worker_and_a_silent_beat_are_told_apart(client: Client) -> None:
    assert failing(client) == {"worker", "beat"}
    Heartbeat.record("beat")
    assert failing(client) == {"worker"}
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": Now() - timedelta(seconds=31)})
    assert failing(client) == {"worker"}
    heartbeat()
    assert failing(client) == set()


@pytest.mark.usefixtures("beating")
def test_a_lost_broker(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert failing(client) == {"broker"}


@pytest.mark.usefixtures("beating")
@pytest.mark.parametrize("broken", ["card keys", "channel keys"])
def test_keys_that_cannot_be_read(client: Client, settings: Any, broken: str) -> None:
    if broken == "card keys":
        settings.CARD_KEYS_FILE = "/nowhere"
    else:
        settings.WECHAT = {**settings.WECHAT, "private_key": "not a key"}
    assert failing(client) == {"keys"}


@pytest.mark.usefixtures("beating")
def test_missing_tables(client: Client) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    MigrationRecorder.Migration.objects.filter(app="cardshop").delete()
    assert failing(client) == {"migrations"}


def test_doctor_says_what_to_do() -> None:
    said = io.StringIO()
    with pytest.raises(CommandError):
        call_command("doctor", "worker", stdout=said)
    assert "celery -A cardshop worker" in said.getvalue()
    heartbeat()
    call_command("doctor", "worker", stdout=io.StringIO())


def test_doctor_tells_that_next_years_plan_is_missing_and_is_well_all_the_same(operator: Any, monkeypatch: Any) -> None:
    """P10: from 60 days before the year. Nothing is broken by it, so no machine is told to take the shop away."""
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: at)
    said = io.StringIO()
    call_command("doctor", "calendar", stdout=said)
    assert "! calendar" in said.getvalue()
    assert "2027" in said.getvalue()
    assert "→" in said.getvalue()
    draft = plans.draft_of_year("元旦：1月1日放假", 2027, at=at)
    plans.enter(draft, source="通知", by=operator, at=at)
    said = io.StringIO()
    call_command("doctor", "calendar", stdout=said)
    assert "✓ calendar" in said.getvalue()
