"""Celery's ear for the record: finds out itself which days are over, may run twice or late."""

from __future__ import annotations

from celery import shared_task

from records import roots


@shared_task(name="records.publish")
def publish() -> None:
    """公布: by the database's own time, which stamps the events, not by the shop's clock."""
    roots.publish(at=roots.now())
