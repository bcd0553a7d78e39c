"""Platform certificates (平台证书)."""

from __future__ import annotations

from simulator.wechat.calls import Call, Refusal, route
from simulator.wire import Answer
from simulator.world import World


@route("GET", r"/v3/certificates")
def _certificates(world: World, call: Call) -> Answer:
    """A merchant in public-key mode has no platform certificates to download."""
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")
