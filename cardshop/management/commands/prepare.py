"""`python manage.py prepare`: all that must be there before the shop starts, in one process: each takes seconds."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from payments import channels


class Command(BaseCommand):
    help = "建表、缓存表、静态文件 / migrations, the cache's table, static files"

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, stdout=self.stdout)
        call_command("createcachetable", stdout=self.stdout)
        if settings.APP_DATABASE_URL:
            call_command("grant_rights", stdout=self.stdout)
        channels.platform_accounts()  # so that no page that is only looked at has to make them
        call_command("collectstatic", interactive=False, verbosity=0, stdout=self.stdout)
