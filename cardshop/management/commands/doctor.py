"""`python manage.py doctor`: what works, what does not, and what to do about it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cardshop.health import readiness, sanity


class Command(BaseCommand):
    help = "体检：各部件与设置 / checks every part and the settings, and says what to do"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("only", nargs="*", help="只查这些 / only these checks: database worker beat …")

    def handle(self, *args: Any, only: list[str], **options: Any) -> None:
        ill = 0
        for check in [*readiness(), *sanity()]:
            if only and check.name not in only:
                continue
            ill += not check.ok and not check.can_wait
            bad = self.style.WARNING("!") if check.can_wait else self.style.ERROR("✗")
            mark = self.style.SUCCESS("✓") if check.ok else bad
            self.stdout.write(f"{mark} {check.name:<11} {check.detail}")
            if not check.ok:
                self.stdout.write(f"    → {check.advice}")
        if ill:
            raise CommandError(f"{ill} 项有问题 / checks failed")
