"""Signs of life of the processes that have no address to be asked at."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import F
from django.db.models.functions import Now


class Heartbeat(models.Model):
    """心跳: when a kind of process was last seen at work. One row each, in the database's own time."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def record(name: str) -> None:
        """`name` is at work now."""
        beat = Heartbeat(name=name, at=Now())
        Heartbeat.objects.bulk_create([beat], update_conflicts=True, unique_fields=["name"], update_fields=["at"])

    @staticmethod
    def age(name: str) -> timedelta | None:
        """How long ago `name` was last seen; None if it never was."""
        return Heartbeat.objects.filter(name=name).values_list(Now() - F("at"), flat=True).first()
