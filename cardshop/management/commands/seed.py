"""`manage.py seed`: the demo's shops, goods, orders and refunds. Runs once; a second run changes nothing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

import clock
from cardshop import seeding


class Command(BaseCommand):
    help = "生成演示数据（仅 DEMO=1）/ make the demo data, once"

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(seeding.seed(at=clock.now()))
        except seeding.SeedRefused as error:
            raise CommandError(str(error)) from error
