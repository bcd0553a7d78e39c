"""`manage.py recover`: 恢复核对 after a restore or a failover (docs/decisions/0028-recovery.md). May be stopped and run
again at any point."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from cardshop import recovery


class Command(BaseCommand):
    help = "恢复核对：向渠道逐笔核对，补回丢失的记录；完成前不能恢复出款 / after a restore: ask the channels for all"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=_moment, help="丢失的时间从何时起，如 2026-11-22T18:00；默认为最后的水位")
        parser.add_argument("--until", type=_moment, help="只核对此前建立的收款 / payments made until then")
        parser.add_argument("--paid-days", type=int, default=30, help="核对多少天内付款的 / paid within so many days")

    def handle(
        self, *args: Any, since: datetime | None, until: datetime | None, paid_days: int, **options: Any
    ) -> None:
        try:
            row = recovery.run(since=since, until=until, paid_days=paid_days, say=self.stdout.write)
        except recovery.NotRecovering as error:
            raise CommandError(str(error)) from None
        for line in recovery.report(row):
            self.stdout.write(line)
        if row.closed_at is None:
            raise CommandError(f"{row.open_count} 项未决 / open")


def _moment(text: str) -> datetime:
    """In the shop's own time zone where none is named."""
    found = parse_datetime(text)
    if found is None:
        raise ValueError(text)
    return make_aware(found) if is_naive(found) else found
