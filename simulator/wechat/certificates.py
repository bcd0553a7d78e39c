"""Platform certificates (平台证书): what a merchant in certificate mode downloads, sealed with his APIv3 key."""

from __future__ import annotations

from datetime import datetime

from simulator.store import rfc3339
from simulator.wechat.calls import Call, route
from simulator.wire import Answer
from simulator.world import World


@route("GET", r"/v3/certificates")
def _certificates(world: World, call: Call) -> Answer:
    """The one certificate that is valid now."""
    keys = world.keys
    return Answer.json(
        {
            "data": [
                {
                    "serial_no": keys.platform_serial_no,
                    "effective_time": _time(keys.certificate.not_valid_before_utc),
                    "expire_time": _time(keys.certificate.not_valid_after_utc),
                    "encrypt_certificate": keys.seal_text(keys.platform_certificate, "certificate"),
                }
            ]
        }
    )


def _time(at: datetime) -> str:
    return rfc3339(at.timestamp())
