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

    @classmethod
    def record(cls, name: str) -> None:
        """`name` is at work now."""
        beat = cls(name=name, at=Now())
        cls.objects.bulk_create([beat], update_conflicts=True, unique_fields=["name"], update_fields=["at"])

    @classmethod
    def age(cls, name: str) -> timedelta | None:
        """How long ago `name` was last seen; None if it never was."""
        return cls.objects.filter(name=name).values_list(Now() - F("at"), flat=True).first()
