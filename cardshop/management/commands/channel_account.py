"""`manage.py channel_account SHOP wechat keys.json`: a shop brings its own merchant account (自带商户号).

The file is JSON with the channel's credentials, keys as PEM text; it is read, tried out and kept sealed. Delete it
afterwards. WeChat Pay: mchid, appid, apiv3_key, cert_serial_no, private_key, public_key, public_key_id, app_secret.
Alipay: app_id, seller_id, app_private_key, alipay_public_key.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments import channels
from payments.gateways.base import GatewayMisconfigured
from payments.models import Channel
from shops.models import Shop


class Command(BaseCommand):
    help = "店铺自带商户号，密钥加密存库 / a shop brings its own merchant account, its keys kept sealed"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("shop", type=int, help="店铺编号 / the shop's number at the desk")
        parser.add_argument("channel", choices=Channel.values)
        parser.add_argument("file", type=Path, help="JSON 密钥文件 / the credentials")

    def handle(self, *args: Any, shop: int, channel: str, file: Path, **options: Any) -> None:
        try:
            account = channels.bring_own(Shop.objects.get(pk=shop), channel, json.loads(file.read_text()))
        except Shop.DoesNotExist:
            raise CommandError(f"没有店铺 / no shop {shop}") from None
        except (OSError, ValueError) as error:
            raise CommandError(f"{file}: 不是可读的 JSON / not readable JSON ({type(error).__name__})") from None
        except GatewayMisconfigured as error:
            raise CommandError(f"密钥不可用 / the credentials cannot be used: {error}") from None
        self.stdout.write(f"{account.name}: 通知地址 / notify {channels.notify_url(account.code, 'payment')}")
