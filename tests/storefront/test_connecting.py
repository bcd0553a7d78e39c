"""连接微信: the openid of whoever confirms in this session, and nobody else's; then messages go there."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from notices import preferences, wechat
from notices.models import NoticeSettings
from tests.cast import PASSWORD
from tests.storefront.conftest import agrees_at, words
from tests.user_agents import USER_AGENTS

pytestmark = pytest.mark.django_db

SETTINGS = "/notices/settings/"
PLACE = "/notices/settings/wechat/"


def opened(user: Any, browser: str = "WeChat on an iPhone") -> Client:
    """Logged in in that browser, and asked for the password a moment ago."""
    client = Client(headers={"User-Agent": USER_AGENTS[browser]})
    client.force_login(user)
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    return client


@pytest.fixture
def phone(buyer) -> Client:
    return opened(buyer)


def confirmed(client: Client) -> str:
    """Press 连接微信, then 到微信确认: the address that WeChat sends the browser back to."""
    page = words(client.post(PLACE, follow=True))
    return agrees_at(re.findall(r'class="button whole" href="([^"]+)"', page)[0].replace("&amp;", "&"))


def openid_of(user: Any) -> str:
    return preferences.of(user).wechat_openid


def test_who_confirms_in_wechat_is_connected_and_can_disconnect(phone, buyer, stranger, settings):
    assert "连接微信</button>" in words(phone.get(SETTINGS))
    place = confirmed(phone)
    assert place.startswith(f"{PLACE}back/?")
    page = words(phone.get(place, follow=True))
    assert "已连接微信" in page
    assert openid_of(buyer)
    assert openid_of(buyer) not in page
    assert not NoticeSettings.objects.exclude(user=buyer).exists(), "for himself only"
    assert preferences.readers([buyer.pk])[buyer.pk].address("wechat") == openid_of(buyer)
    page = words(phone.post(f"{PLACE}forget/", follow=True))
    assert "连接微信</button>" in page
    assert openid_of(buyer) == ""


def test_the_settings_are_kept_beside_it(phone, buyer):
    NoticeSettings.objects.create(user=buyer, anti_phishing_word="老槐树", chosen=["refunds:wechat"])
    phone.get(confirmed(phone))
    kept = preferences.of(buyer)
    assert (kept.anti_phishing_word, kept.chosen, bool(kept.wechat_openid)) == ("老槐树", ["refunds:wechat"], True)


@pytest.mark.parametrize("change", ["another state", "no state", "used before", "never asked"])
def test_an_answer_that_this_session_did_not_ask_for_connects_nobody(phone, buyer, change):
    place = confirmed(phone)
    if change == "another state":
        place = re.sub("state=[^&]+", "state=" + "0" * 48, place)
    elif change == "no state":
        place = re.sub("&?state=[^&]+", "", place)
    elif change == "used before":
        phone.get(re.sub("code=[^&]+", "code=used", place))
    else:
        phone = opened(buyer)
    assert "已失效，没有连接" in words(phone.get(place, follow=True))
    assert openid_of(buyer) == ""


def test_another_persons_confirmation_is_worth_nothing_here(phone, buyer, stranger):
    """Sent to somebody else, the address connects neither of them; nor does the code with one's own state."""
    theirs = opened(stranger)
    place = confirmed(theirs)
    mine = confirmed(phone)
    assert "已失效，没有连接" in words(phone.get(place, follow=True))
    assert "已失效，没有连接" in words(phone.get(mine, follow=True)), "one try for each confirmation"
    used = parse_qs(urlsplit(place).query)["code"][0]
    theirs.get(place)
    again = re.sub("code=[^&]+", f"code={used}", confirmed(phone))
    assert "已失效，没有连接" in words(phone.get(again, follow=True)), "a code serves once"
    assert (openid_of(buyer), bool(openid_of(stranger))) == ("", True)


def test_a_session_that_changed_hands_connects_nobody(phone, buyer, stranger):
    """What one account began, the next one in the same browser does not finish."""
    place = confirmed(phone)
    kept = dict(phone.session)["wechat_connect"]
    phone.force_login(stranger)
    session = phone.session
    session["wechat_connect"] = kept
    session.save()
    assert "已失效，没有连接" in words(phone.get(place, follow=True))
    assert not NoticeSettings.objects.exclude(wechat_openid="").exists()


def test_a_session_left_behind_is_asked_who_it_is(buyer):
    client = Client(headers={"User-Agent": USER_AGENTS["WeChat on Android"]})
    client.force_login(buyer)
    answer = client.post(PLACE)
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert "wechat_connect" not in client.session


def test_it_begins_with_a_press(phone):
    assert phone.get(PLACE).headers["Location"] == SETTINGS
    assert "wechat_connect" not in phone.session


@pytest.mark.parametrize("provider", ["", "mini_program"])
def test_only_where_messages_leave_by_the_app_that_buyers_pay_in(phone, settings, provider):
    settings.WECHAT_MESSAGES_PROVIDER = provider
    assert "连接微信</button>" not in words(phone.get(SETTINGS))
    assert "这里不能连接微信" in words(phone.post(PLACE, follow=True))


def test_only_inside_wechat(buyer):
    client = opened(buyer, "Chrome on Android")
    page = words(client.get(SETTINGS))
    assert "请在微信里打开本页" in page
    assert "连接微信</button>" not in page
    assert "这里不能连接微信" in words(client.post(PLACE, follow=True))


def test_an_app_that_knows_nobody_offers_nothing(phone, settings):
    settings.WECHAT = settings.WECHAT | {"app_secret": "", "oauth_gateway": ""}
    assert "连接微信</button>" not in words(phone.get(SETTINGS))


def test_a_guest_has_nothing_to_connect(buyer, phone):
    place = confirmed(phone)
    type(buyer).objects.filter(pk=buyer.pk).update(is_guest=True)
    assert "连接微信</button>" not in words(phone.get(SETTINGS))
    phone.get(place)
    buyer.refresh_from_db()
    with pytest.raises(wechat.CannotConnect):
        wechat.connect(buyer, "o-1")
    assert openid_of(buyer) == ""


def test_wechat_away_is_said(phone, buyer, settings):
    from cardshop import embedded

    place = confirmed(phone)
    settings.WECHAT = settings.WECHAT | {"oauth_gateway": f"http://127.0.0.1:{embedded.free_ports(1)[0]}"}
    assert "微信暂时没有回应" in words(phone.get(place, follow=True))
    assert openid_of(buyer) == ""
