"""Which way to pay is offered to which browser: a table over what real browsers say of themselves (B2)."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from payments.gateways.base import PayMethod
from storefront.tills import Place, place_of, tills
from tests.user_agents import USER_AGENTS

PLACES = {
    Place.WECHAT_APP: ["WeChat on an iPhone", "WeChat on Android", "WeChat on Windows", "WeChat on a Mac"],
    Place.ALIPAY_APP: ["Alipay on an iPhone", "Alipay on Android"],
    Place.PHONE: [
        "Safari on an iPhone",
        "Chrome on Android",
        "Huawei's browser on HarmonyOS NEXT",
        "QQ's browser on Android",
        "Taobao's app",
        "a tablet with Android",
        "an iPad that says so",
    ],
    Place.COMPUTER: [
        "an iPad, which calls itself a Mac",
        "Chrome on Windows",
        "Firefox on Linux",
        "a Chromebook",
        "nothing at all",
    ],
}


@pytest.mark.parametrize("name", USER_AGENTS)
def test_where_the_page_is_open(name):
    expected = next(place for place, names in PLACES.items() if name in names)
    assert place_of(USER_AGENTS[name]) is expected


@dataclass(frozen=True)
class Offer:
    account_code: str
    channel: str
    methods: frozenset[PayMethod]


def offer(channel: str, *methods: PayMethod) -> Offer:
    return Offer(channel, channel, frozenset(methods))


SCAN, IN_APP, PHONE, COMPUTER = PayMethod.SCAN, PayMethod.IN_APP, PayMethod.PHONE, PayMethod.COMPUTER
EVERYTHING = [offer("alipay", SCAN, PHONE, COMPUTER), offer("wechat", SCAN, IN_APP, PHONE)]
WITHOUT_THE_APP_SECRET = [offer("wechat", SCAN, PHONE), offer("alipay", SCAN, PHONE, COMPUTER)]
WECHAT_CODES_ONLY = [offer("wechat", SCAN)]
ALIPAY_ONLY = [offer("alipay", SCAN, PHONE, COMPUTER)]


@pytest.mark.parametrize(
    ("place", "offers", "expected"),
    [
        (Place.WECHAT_APP, EVERYTHING, ["wechat.in_app"]),
        (Place.WECHAT_APP, WITHOUT_THE_APP_SECRET, ["wechat.scan"]),
        (Place.WECHAT_APP, ALIPAY_ONLY, []),
        (Place.ALIPAY_APP, EVERYTHING, ["alipay.phone", "wechat.scan", "alipay.scan"]),
        (Place.ALIPAY_APP, WECHAT_CODES_ONLY, ["wechat.scan"]),
        (Place.PHONE, EVERYTHING, ["wechat.phone", "alipay.phone", "wechat.scan", "alipay.scan"]),
        (Place.PHONE, WECHAT_CODES_ONLY, ["wechat.scan"]),
        (Place.PHONE, ALIPAY_ONLY, ["alipay.phone", "alipay.scan"]),
        (Place.COMPUTER, EVERYTHING, ["wechat.scan", "alipay.computer", "alipay.scan"]),
        (Place.COMPUTER, ALIPAY_ONLY, ["alipay.computer", "alipay.scan"]),
        (Place.COMPUTER, [], []),
    ],
)
def test_what_is_offered_there(place, offers, expected):
    assert [till.key for till in tills(place, offers)] == expected


def test_a_code_on_a_phone_is_for_another_phone():
    needs = {till.key: till.needs_another_phone for till in tills(Place.PHONE, EVERYTHING)}
    assert needs == {"wechat.phone": False, "alipay.phone": False, "wechat.scan": True, "alipay.scan": True}
    assert not any(till.needs_another_phone for till in tills(Place.COMPUTER, EVERYTHING))
