"""Which settings may stand together: no rehearsal touches real money, and nothing of a rehearsal runs live."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.production import ROOT, environment

SIMULATED = {"CHANNELS": "simulated", "SITE_URL": "http://127.0.0.1:8000", "WECHAT_GATEWAY": "http://127.0.0.1:9101"}

SOME_FILE = str(ROOT / "LICENSE")
SUPPLIER = {
    "SUPPLIER_ISSUER_GATEWAY": "https://issuer.example/issuer", "SUPPLIER_ISSUER_ID": "S1",
    "SUPPLIER_ISSUER_KEY_FILE": SOME_FILE, "SUPPLIER_ISSUER_PUBLIC_KEY_FILE": SOME_FILE,
}  # fmt: skip


def settings_under(keys, **changes):
    """What Python says when it loads the settings: empty if they are good, else the last line."""
    words = {"PATH": os.environ["PATH"], **environment(keys), **changes}  # nothing of this suite's own settings
    done = subprocess.run(
        [sys.executable, "-c", "import cardshop.settings"],
        cwd=ROOT, env=words, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        SUPPLIER,
        {"WECHAT_GATEWAY": "https://api2.mch.weixin.qq.com"},
        SIMULATED,
        SIMULATED | {"TIME_SCALE": "0.05", "DEMO": "1", "DEBUG": "1"},
        SIMULATED | {"WECHAT_GATEWAY": "http://[::1]:9101"},
        {"WECHAT_CERT_DIR": "/var/lib/cardshop/certificates", "WECHAT_PUBLIC_KEY_ID": ""},  # the certificate mode
    ],
)
def test_what_may_stand_together(keys, changes):
    assert settings_under(keys, **changes) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"WECHAT_GATEWAY": "https://pay.example"}, "own https address only. Unset WECHAT_GATEWAY"),
        ({"WECHAT_GATEWAY": "http://api.mch.weixin.qq.com"}, "https"),
        ({"WECHAT_GATEWAY": "https://api.mch.weixin.qq.com.example"}, "own https address only"),
        ({"WECHAT_OAUTH_GATEWAY": "https://api.weixin.qq.com"}, "Unset WECHAT_OAUTH_GATEWAY"),
        ({"ALIPAY_GATEWAY": "https://pay.example/gateway.do"}, "Unset ALIPAY_GATEWAY"),
        ({"ALIPAY_APP_ID": "2021000000000000"}, "the other ALIPAY_"),
        ({"SUPPLIER_ISSUER_GATEWAY": "https://issuer.example/issuer"}, "SUPPLIER_ISSUER_GATEWAY needs"),
        (SUPPLIER | {"SUPPLIER_ISSUER_GATEWAY": "http://issuer.example/issuer"}, "an https address only: SUPPLIER_"),
        ({"WECHAT_PUBLIC_KEY_ID": ""}, "every WECHAT_"),
        ({"DEBUG": "1"}, "forbids DEBUG"),
        ({"DEMO": "1"}, "forbids DEBUG, DEMO"),
        ({"WEBHOOKS_MAY_STAY_HERE": "1"}, "forbids WEBHOOKS_MAY_STAY_HERE"),
        ({"REALNAME_PROVIDER": "console"}, "forbids REALNAME_PROVIDER"),
        ({"REALNAME_PROVIDER": "accounts.realname.console.ConsoleProvider"}, "forbids REALNAME_PROVIDER"),
        ({"WECHAT_MESSAGES_PROVIDER": "official_account"}, "needs WECHAT_MESSAGES_TEMPLATES"),
        ({"WECHAT_MESSAGES_PROVIDER": "official_account", "WECHAT_MESSAGES_APPID": "wx1"}, "no other keys"),
        ({"TIME_SCALE": "0.05"}, "TIME_SCALE"),
        ({"CLOCK_OFFSET_SECONDS": "60"}, "CLOCK_OFFSET_SECONDS"),
        ({"SITE_URL": "http://shop.example"}, "SITE_URL=https://"),
        ({"WECHAT_MCHID": ""}, "every WECHAT_"),
        ({"CHANNELS": "real"}, "'simulated' or 'live'"),
        (SIMULATED | {"WECHAT_GATEWAY": "https://api.mch.weixin.qq.com"}, "refuses the channels' own hosts"),
        (SIMULATED | {"WECHAT_GATEWAY": "https://API.mch.weixin.qq.com/"}, "refuses the channels' own hosts"),
        (SIMULATED | {"ALIPAY_GATEWAY": "https://openapi.alipay.com/gateway.do"}, "(ALIPAY_GATEWAY)"),
        (SIMULATED | {"ALIPAY_APP_ID": "2021000000000000"}, "needs ALIPAY_GATEWAY"),
        (SIMULATED | {"WECHAT_GATEWAY": ""}, "needs WECHAT_GATEWAY"),
        (SIMULATED | {"TIME_SCALE": "0"}, "above 0"),
        ({"SECRET_KEY_FILE": "", "SECRET_KEY": ""}, "SECRET_KEY_FILE"),
        ({"WECHAT_PRIVATE_KEY_FILE": "/nowhere/key.pem"}, "WECHAT_PRIVATE_KEY_FILE=/nowhere/key.pem"),
    ],
)
def test_what_may_not_stand_together_gets_one_line(keys, changes, told):
    assert told in settings_under(keys, **changes)


@pytest.mark.django_db
def test_a_migration_has_as_long_as_it_takes_and_nothing_else():
    """An index of a large table is not built in the time that a page may take."""
    from django.core.management import call_command
    from django.db import connection, models

    def allowed(*_: object, **__: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            seen.append(cursor.fetchone()[0])

    seen: list[str] = []
    models.signals.pre_migrate.connect(allowed)
    try:
        call_command("migrate", verbosity=0)
    finally:
        models.signals.pre_migrate.disconnect(allowed)
    allowed()
    assert set(seen[:-1]) == {"0"}
    assert seen[-1] == "15s"
