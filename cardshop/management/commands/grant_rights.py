"""`manage.py grant_rights`: the application's own database role, made and given its rights by the owner of the tables.

After every migration, whose new tables it knows nothing of.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cardshop import grants


class Command(BaseCommand):
    help = "建立应用的数据库角色并授权：只增不改的表只能增与读 / the application's database role and its rights"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--list", action="store_true", help="只列出权限 / only list what it may do")

    def handle(self, *args: Any, list: bool, **options: Any) -> None:
        if list:
            for table, allowed in sorted(grants.rights().items()):
                self.stdout.write(f"{table:<45} {', '.join(allowed)}")
            return
        if not settings.APP_DATABASE_URL:
            raise CommandError("请设 APP_DATABASE_URL 为应用的数据库地址 / set it to the application's address")
        try:
            role = grants.grant(settings.APP_DATABASE_URL)
        except ValueError as error:  # an installation from before: it goes on as it was, and `doctor` tells
            self.stderr.write(f"! {error}")
            return
        self.stdout.write(f"✓ {role}")
