"""Which merchant account collects, and which gateway serves it.

The platform's own accounts take their credentials from the environment, a shop's own from its row, sealed. A gateway is
built once per process and set of credentials: a client costs 28 ms of processor.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db.models import Q

from payments.gateways.alipay import AlipayCredentials, AlipayGateway
from payments.gateways.balance import BalanceGateway
from payments.gateways.base import Gateway, GatewayMisconfigured, Limits, PayMethod
from payments.gateways.wechat import WechatCredentials, WechatGateway
from payments.models import BALANCE, Channel, ChannelAccount
from shops import vault
from shops.models import Shop
from shops.rotation import SealedColumn

log = logging.getLogger(__name__)
BUILD: Mapping[str, Callable[..., Gateway]] = {
    Channel.WECHAT: lambda **given: WechatGateway(WechatCredentials(**given)),
    Channel.ALIPAY: lambda **given: AlipayGateway(AlipayCredentials(**given)),
}
#: The credential that says whose account it is. The platform's own stand in the settings under the channel's name.
MERCHANT_ID: Mapping[str, str] = {Channel.WECHAT: "mchid", Channel.ALIPAY: "app_id"}
#: Under which of its merchant's apps an account collects: an answer about a payment names the app that opened it.
APP: Mapping[str, str] = {Channel.WECHAT: "appid", Channel.ALIPAY: "seller_id"}
#: Where calls go and what is read from disk: a shop that said these could make us call or read anything.
OURS_TO_SAY = frozenset({"gateway", "oauth_gateway", "cert_dir"})
OWN = BalanceGateway()
CAREFUL = Limits(
    refundable_days=365, most_refunds=50, between_refunds_seconds=60, calls_per_second=10, failures_per_second=6
)


@dataclass(frozen=True)
class Offer:
    """An account that can collect now, and how."""

    account_code: str
    channel: str  # a ``Channel``
    name: str
    methods: frozenset[PayMethod]


def offered(shop: Shop | None = None) -> list[Offer]:
    """可用的支付渠道: a shop's own account before the platform's, one per channel, WeChat first."""
    rows = ChannelAccount.objects.filter(Q(shop=shop) | Q(shop=None), is_open=True).exclude(channel=BALANCE)
    rows = rows.order_by("pk")
    chosen = {
        row.channel: row for row in sorted([*platform_accounts(), *rows], key=lambda row: row.shop_id is not None)
    }
    return [
        Offer(row.code, row.channel, row.name, methods)
        for channel in Channel
        if (row := chosen.get(channel)) and row.is_open and (methods := _methods(row))
    ]


def account(code: str) -> ChannelAccount:
    """The account of this code; the platform's own come into being on first use. Raises LookupError."""
    try:
        return ChannelAccount.objects.exclude(channel=BALANCE).get(code=code)
    except ChannelAccount.DoesNotExist:
        mine = next((row for row in platform_accounts() if row.code == code), None)
        if mine is None:
            raise LookupError(f"no channel account {code!r}") from None
        return mine


def platform_accounts() -> list[ChannelAccount]:
    """The platform's accounts whose credentials stand in the environment."""
    given = {channel: _environment(channel).get(MERCHANT_ID[channel]) for channel in Channel}
    known = {row.code: row for row in ChannelAccount.objects.filter(code__in=list(given))}
    for channel, merchant_id in given.items():
        if merchant_id and channel not in known:
            about = {"channel": channel, "name": str(channel.label), "merchant_id": merchant_id}
            known[channel], _ = ChannelAccount.objects.get_or_create(code=channel.value, defaults=about)
        elif merchant_id and known[channel].merchant_id != merchant_id:
            known[channel] = _moved(known[channel], merchant_id)
    return [known[channel] for channel, merchant_id in given.items() if merchant_id]


def unusable() -> dict[str, str]:
    """渠道 whose credentials in the environment cannot work, with the reason. Touches no database."""
    wrong = {}
    for channel in Channel:
        given = _environment(channel)
        if given.get(MERCHANT_ID[channel]):
            try:
                _built(channel.value, json.dumps(given))
            except GatewayMisconfigured as error:
                wrong[channel.value] = str(error)
    return wrong


def bring_own(shop: Shop, channel: str, credentials: Mapping[str, Any]) -> ChannelAccount:
    """自带商户号: the shop's payments of this channel go to its own account. Raises GatewayMisconfigured.

    ``credentials`` are the fields of the channel's credentials class but for those of ``OURS_TO_SAY``; they are tried
    out before anything is kept.
    """
    if refused := OURS_TO_SAY & set(credentials):
        raise GatewayMisconfigured("credentials", f"not a shop's to say: {', '.join(sorted(refused))}")
    try:
        BUILD[channel](**_at_our_places(channel, credentials))
    except TypeError as error:  # a field that is missing, or one that no credentials have
        raise GatewayMisconfigured("credentials", str(error).partition("() ")[2]) from None
    code = f"{channel}-{shop.pk}"
    merchant_id = credentials[MERCHANT_ID[channel]]
    others = ChannelAccount.objects.filter(code=code, payments__isnull=False).exclude(merchant_id=merchant_id)
    if others.exists():  # what one merchant collected, another can neither find nor give back
        raise GatewayMisconfigured("credentials", "payments of this account belong to another merchant number")
    _keep_app(code, channel, credentials[APP[channel]])
    sealed = vault.keyring(settings.CARD_KEYS_FILE).seal(json.dumps(dict(credentials)), bound_to=_place(code))
    row, _ = ChannelAccount.objects.update_or_create(
        code=code,
        defaults={
            "channel": channel,
            "shop": shop,
            "name": f"{Channel(channel).label}（{shop.name}）",
            "merchant_id": merchant_id,
            "credentials": sealed.ciphertext,
            "credentials_key_id": sealed.key_id,
        },
    )
    return row


def gateway(account: ChannelAccount) -> Gateway:
    """The gateway of an account. Touches no database. Raises GatewayMisconfigured.

    What one merchant collected, another knows nothing of: asked there, a refund that was paid would look refused, and a
    new number would pay it twice.
    """
    if account.channel == BALANCE:
        return OWN
    if not account.credentials_key_id:
        given = _environment(account.channel)
        if account.merchant_id and given.get(MERCHANT_ID[account.channel]) != account.merchant_id:
            raise GatewayMisconfigured("credentials", f"this account's payments belong to {account.merchant_id}")
        return _built(account.channel, json.dumps(given))
    sealed = vault.Sealed(bytes(account.credentials), account.credentials_key_id)
    return _built(
        account.channel, json.dumps(_at_our_places(account.channel, json.loads(_opened(account.code, sealed))))
    )


def balance_account() -> ChannelAccount:
    """余额, as the account that payments from it belong to; it comes into being on first use."""
    about = {"channel": BALANCE, "name": "余额"}
    return ChannelAccount.objects.get_or_create(code=BALANCE, defaults=about)[0]


def limits(account: ChannelAccount) -> Limits:
    """What the channel allows this account, its contract before the channel's common rule."""
    try:
        common = gateway(account).limits
    except GatewayMisconfigured:  # nothing will be sent; whoever asks for the gateway itself hears why
        common = CAREFUL
    return Limits(
        refundable_days=account.refundable_days or common.refundable_days,
        most_refunds=common.most_refunds,
        between_refunds_seconds=common.between_refunds_seconds,
        calls_per_second=account.calls_per_second or common.calls_per_second,
        failures_per_second=common.failures_per_second,
    )


def notify_url(account_code: str, kind: str) -> str:
    """Where the channel tells us about a ``payment`` or a ``refund``. WeChat forbids a query string."""
    return f"{settings.SITE_URL}/notify/{account_code}/{kind}"


def _methods(account: ChannelAccount) -> frozenset[PayMethod]:
    """None while its credentials cannot work: the shop's other channels go on, and nobody else's account steps in."""
    try:
        return gateway(account).methods
    except GatewayMisconfigured as error:
        log.error("channel account %s cannot collect: %s", account.code, error)
        return frozenset()


@lru_cache(maxsize=256)
def _built(channel: str, credentials: str) -> Gateway:
    try:
        return BUILD[channel](**json.loads(credentials))
    except TypeError as error:  # sealed by another version of ours: a field is missing, or one too many
        raise GatewayMisconfigured("credentials", str(error).partition("() ")[2]) from None


@lru_cache(maxsize=256)
def _opened(code: str, sealed: vault.Sealed) -> str:
    try:
        return vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_place(code))
    except vault.VaultError as error:
        raise GatewayMisconfigured("credentials", str(error)) from None


def _moved(account: ChannelAccount, merchant_id: str) -> ChannelAccount:
    """The environment names another merchant: an account that has collected nothing yet becomes that one's."""
    if ChannelAccount.objects.filter(pk=account.pk, payments=None).update(merchant_id=merchant_id):
        account.merchant_id = merchant_id
    return account


def _keep_app(code: str, channel: str, app: str) -> None:
    """Raises GatewayMisconfigured if payments of another app are still to be paid: no answer about them would fit."""
    known = ChannelAccount.objects.filter(code=code, payments__next_due_at__isnull=False).first()
    if known is None:
        return
    sealed = vault.Sealed(bytes(known.credentials), known.credentials_key_id)
    if json.loads(_opened(code, sealed)).get(APP[channel]) != app:
        raise GatewayMisconfigured("credentials", f"payments under another {APP[channel]} are still to be paid")


def _environment(channel: str) -> dict[str, Any]:
    given: dict[str, Any] = getattr(settings, channel.upper())
    return given


def _at_our_places(channel: str, credentials: Mapping[str, Any]) -> dict[str, Any]:
    """A shop's credentials, spoken with at the addresses that this whole installation uses."""
    places = {name: value for name, value in _environment(channel).items() if name.endswith("gateway")}
    return places | dict(credentials)


def _place(code: str) -> str:
    return f"payments_channelaccount|credentials|{code}"


SEALED = SealedColumn("自带商户号", ChannelAccount, "credentials", "credentials_key_id", ("code",), _place)
