"""Celery rings; the database row is the queue (docs/decisions/0002-row-is-the-queue.md)."""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab
from celery.signals import worker_process_init

from cardshop import garbage

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardshop.settings")

app = Celery("cardshop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect(weak=False)
def _look_rarely(**_: object) -> None:
    garbage.look_rarely()


# The sweepers find whatever no bell announced: after a crash, after losing all of Redis, or because time has come.
app.conf.beat_schedule = {
    "sweep payments": {"task": "payments.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "sweep orders": {"task": "orders.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "sweep refunds": {"task": "refunds.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "settle orders": {"task": "refunds.settle", "schedule": 20.0, "options": {"expires": 20}},
    "sweep support": {"task": "support.sweep", "schedule": 5.0, "options": {"expires": 10}},
    "sweep webhooks": {"task": "integrations.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "sweep notices": {"task": "notices.sweep", "schedule": 5.0, "options": {"expires": 10}},
    # The first one after midnight publishes yesterday; the others catch up what it could not do.
    "publish roots": {"task": "records.publish", "schedule": crontab(minute="30"), "options": {"expires": 3000}},
    "fold balances": {"task": "ledger.fold", "schedule": crontab(minute="15"), "options": {"expires": 3000}},
    "sweep shops": {"task": "shops.sweep", "schedule": 10.0, "options": {"expires": 30}},
    "count shops": {"task": "refunds.figures", "schedule": 300.0, "options": {"expires": 300}},  # each once an hour
    "try policies": {"task": "refunds.simulate", "schedule": 10.0, "options": {"expires": 10}},
    "count stages": {"task": "refunds.pace", "schedule": 300.0, "options": {"expires": 300}},  # once an hour
    "prune webhooks": {"task": "integrations.prune", "schedule": crontab(minute="20"), "options": {"expires": 3000}},
    # From ten o'clock in China on there are yesterday's bills; one that is late is asked for every half hour.
    "sweep statements": {"task": "reconciliation.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "prune statements": {
        "task": "reconciliation.prune",
        "schedule": crontab(hour="4", minute="40"),
        "options": {"expires": 3000},
    },
    "heartbeat": {"task": "cardshop.heartbeat", "schedule": 5.0, "options": {"expires": 10}},
}
