"""`manage.py rotate_keys`: 换钥, every sealed text under the active key (docs/decisions/0011-keys.md).

Only the wrapped data keys change; no text is opened. It may be stopped at any point and run again, beside a running
shop; what is left is what the next run does.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations import letters
from orders import recipients
from payments import cards, channels, payees
from shops import rotation, vault

COLUMNS = [*rotation.COLUMNS, recipients.SEALED, cards.SEALED, payees.SEALED, channels.SEALED, letters.SEALED]


class Command(BaseCommand):
    help = "用当前密钥重新包裹所有密文的数据密钥，可中断、可续做 / rewrap every sealed text under the active key"

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--new-key", action="store_true", help="先生成新密钥并启用 / make a new key and use it first")
        what.add_argument("--add-key", action="store_true", help="只加入新密钥，不启用 / add a key, nothing else")
        what.add_argument("--activate", metavar="KEY", help="先启用这把密钥 / use this key of the file first")

    def handle(self, *args: Any, new_key: bool, add_key: bool, activate: str | None, **options: Any) -> None:
        path = settings.CARD_KEYS_FILE
        try:
            if new_key or add_key:
                key_id = vault.add_key(path, is_active=new_key)
                self.stdout.write(f"新密钥 {key_id} 已写入 {path}，请立即备份此文件 / back the key file up now")
                if add_key:
                    return
            elif activate:
                vault.activate(path, activate)
            self._rotate(vault.keyring(path).active)
        except vault.VaultError as error:
            raise CommandError(f"密钥文件不可用 / the key file cannot be used: {error}") from None

    def _rotate(self, active: str) -> None:
        failed = 0
        for column in COLUMNS:
            progress = rotation.Progress(column)
            for progress in rotation.rotate(column):
                self.stdout.write(f"{column.title}: {progress.done} → {active}")
            failed += progress.failed
        left = {key_id for column in COLUMNS for key_id in rotation.left(column)}
        if failed:
            raise CommandError(
                f"{failed} 条密文没有换钥：密钥 {sorted(left)} 不在文件里，或密文损坏"
                f" / {failed} texts could not be rewrapped: a key is missing from the file, or they are damaged"
            )
        others = [key_id for key_id in vault.keyring(settings.CARD_KEYS_FILE).key_ids if key_id not in {active, *left}]
        self.stdout.write(f"全部密文都在 {active} 之下 / all under {active}")
        if others:
            self.stdout.write(
                f"{', '.join(others)} 不再使用；旧备份过期后可从文件中删去"
                " / no longer used: take them out once no backup needs them"
            )
