"""自带商户号: a shop's own merchant account, brought by an operator's command."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from payments import channels
from payments.models import ChannelAccount

pytestmark = pytest.mark.django_db


@pytest.fixture
def theirs(settings):
    """What a shop would hand over: our simulated merchant's keys, without the addresses."""
    return {name: value for name, value in settings.WECHAT.items() if name not in channels.OURS_TO_SAY}


@pytest.fixture
def bring(tmp_path, shop):
    def run(credentials, shop_id=None):
        file = tmp_path / "keys.json"
        file.write_text(credentials if isinstance(credentials, str) else json.dumps(credentials))
        call_command("channel_account", str(shop_id or shop.pk), "wechat", str(file))

    return run


def test_a_shop_brings_its_own_account(bring, theirs, shop, settings, capsys):
    bring(theirs)
    account = ChannelAccount.objects.get(shop=shop)
    assert (account.channel, account.merchant_id) == ("wechat", settings.WECHAT["mchid"])
    assert f"/notify/{account.code}/payment" in capsys.readouterr().out
    assert account.code in {offer.account_code for offer in channels.offered(shop)}
    assert account.code not in {offer.account_code for offer in channels.offered()}
    kept = bytes(account.credentials)
    assert not any(value.encode() in kept for name, value in theirs.items() if "key" in name and value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"gateway": "http://127.0.0.1:1"}, "not a shop's to say: gateway"),
        ({"cert_dir": "/etc"}, "not a shop's to say: cert_dir"),
        ({"nickname": "x"}, "nickname"),
        ({"appid": None}, "appid"),
        ({"private_key": "not a key"}, "密钥不可用"),
    ],
)
def test_what_cannot_work_is_not_kept(change, told, bring, theirs):
    given = {name: value for name, value in (theirs | change).items() if value is not None}
    with pytest.raises(CommandError, match=told) as refusal:
        bring(given)
    assert theirs["apiv3_key"] not in str(refusal.value)
    assert not ChannelAccount.objects.exclude(shop=None).exists()


def test_files_and_shops_that_are_not_there(bring, theirs):
    with pytest.raises(CommandError, match="不是可读的 JSON"):
        bring("{")
    with pytest.raises(CommandError, match="没有店铺"):
        bring(theirs, shop_id=999_999)
