"""`manage.py verify_chain`: was anything changed behind the shop's back? Names each event that was, and fails then."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from records import checking, roots
from records.signing import CannotSign


class Command(BaseCommand):
    help = "核对存证链与每日根 / check every chain and every daily root; exit 1 and a line for whatever was changed"

    def add_arguments(self, parser: ArgumentParser) -> None:
        one = parser.add_mutually_exclusive_group()
        for kind in roots.streams():
            one.add_argument(f"--{kind.STREAM}", metavar="NUMBER", help=f"只查这一条 / only this {kind.STREAM}")
        one.add_argument("--since", metavar="DAY", type=date.fromisoformat, help="只查此日以来增长的链 / YYYY-MM-DD")

    def handle(self, *args: object, since: date | None = None, **options: object) -> None:
        wanted = [(kind, str(options[kind.STREAM])) for kind in roots.streams() if options.get(kind.STREAM)]
        for kind, number in wanted:
            if not checking.is_known(kind, number):
                raise CommandError(f"没有 / no {kind.STREAM} {number}")
        scope = checking.Scope(wanted[0][0].STREAM, wanted[0][1]) if wanted else checking.Scope(since=since)
        try:
            found = self._check(scope)
        except CannotSign as error:
            raise CommandError(f"RECORD_KEY_FILE: {error}") from None
        if found:
            raise CommandError(f"{found} 处被改动 / changed")
        self.stdout.write("✓ 没有改动 / nothing was changed")

    def _check(self, scope: checking.Scope) -> int:
        found = 0
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 0")  # a record of years takes its time
            for line in checking.findings(scope, self.stdout.write):
                self.stderr.write(line)
                found += 1
        return found
