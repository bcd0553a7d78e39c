"""What a tester sets at WeChat Pay's side (控制台): limits of calls, who signs, the funds, a refund by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator import funds, settings
from simulator.control_inputs import LARGEST_FEN, amount_fen, flag, number, one_of, only, text
from simulator.inputs import BadInput
from simulator.wechat import limits
from simulator.wechat.books import console_refund
from simulator.world import World

CHANNELS = {"wechat": "微信支付", "alipay": "支付宝"}


def _funds(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"channel", "amount_fen": N, or null for endless}: what refunds can be paid from, from now on."""
    only(data, "channel", "amount_fen")
    channel, fen = one_of({"channel": "wechat"} | data, "channel", CHANNELS), data.get("amount_fen", ...)
    if fen is not None and (isinstance(fen, bool) or not isinstance(fen, int) or not 0 <= fen <= 10**6 * LARGEST_FEN):
        raise BadInput("amount_fen 须为非负整数（分）或 null / amount_fen: an integer of fen, or null for endless")
    with world.store.transaction() as db:
        funds.set_amount(db, channel, fen)
    return {"channel": channel, "amount_fen": fen}


def _limits(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"enabled": bool}: whether calls are counted."""
    only(data, "enabled")
    if "enabled" not in data:
        raise BadInput("请给出 enabled / give enabled: true or false")
    enabled = flag(data, "enabled")
    with world.store.transaction() as db:
        limits.switch(db, enabled)
    return {"enabled": enabled}


def _signing(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"certificate_share": 0..1}: how many notifications the platform certificate signs (the migration)."""
    only(data, "certificate_share")
    share = number(data, "certificate_share", 0, 1)
    with world.store.transaction() as db:
        settings.write(db, "certificate_share", share)
    return {"certificate_share": share}


def _console_refund(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"out_trade_no", "amount_fen"}: the merchant refunds by hand in the platform; v2 XML tells the shop."""
    only(data, "channel", "out_trade_no", "amount_fen")
    one_of({"channel": "wechat"} | data, "channel", {"wechat": ""})
    out_trade_no, fen = text(data, "out_trade_no"), amount_fen(data)
    return {
        "out_refund_no": console_refund(world, out_trade_no, fen),
        "out_trade_no": out_trade_no,
        "amount_fen": fen,
        "source": "console",
    }


ACTS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "funds": _funds,
    "limits": _limits,
    "signing": _signing,
    "console_refund": _console_refund,
}
