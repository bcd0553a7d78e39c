"""A refund made by hand in the merchant platform (商户平台退款): the shop's server did not ask for it.

WeChat tells the shop in the old language, v2 XML without signature headers, at the payment's own address.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import sqlite3
import uuid
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.padding import PKCS7

from simulator import faults
from simulator.notifications import Dialect, Notice, queue
from simulator.store import rfc3339
from simulator.wechat.notices import RETRY_SECONDS
from simulator.wechat.objects import FUNDINGS
from simulator.world import World


def announce(world: World, db: sqlite3.Connection, refund: sqlite3.Row, payment: sqlite3.Row) -> None:
    """Queue the v2 notice of a refund that has settled."""
    body = _xml(
        {
            "return_code": "SUCCESS",
            "appid": world.keys.appid,
            "mch_id": world.keys.mchid,
            "nonce_str": secrets.token_hex(16),
            "req_info": _sealed(world, _xml(_facts(refund, payment), root="root")),
        }
    )
    notice = Notice(
        channel="wechat_v2",
        id=str(uuid.uuid4()),
        event_type=f"V2.REFUND.{refund['status']}",
        url=payment["notify_url"],
        numbers=(refund["out_refund_no"], refund["out_trade_no"]),
        body=body,
        forged=body,
        refund=True,
    )
    queue(world, db, notice, {})


def _facts(refund: sqlite3.Row, payment: sqlite3.Row) -> dict[str, str]:
    facts = {
        "out_refund_no": refund["out_refund_no"],
        "out_trade_no": payment["out_trade_no"],
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_fee": str(refund["amount_fen"]),
        "refund_id": refund["refund_id"],
        "refund_recv_accout": refund["received_account"] or FUNDINGS[payment["funding"]][1],  # WeChat's own spelling
        "refund_request_source": "VENDOR_PLATFORM",
        "refund_status": {"SUCCESS": "SUCCESS", "ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}[refund["status"]],
        "settlement_refund_fee": str(refund["amount_fen"]),
        "settlement_total_fee": str(payment["amount_fen"]),
        "total_fee": str(payment["amount_fen"]),
        "transaction_id": payment["transaction_id"],
    }
    if refund["status"] == "SUCCESS":
        facts["success_time"] = rfc3339(refund["succeeded_at"])[:19].replace("T", " ")
    return facts


def _sealed(world: World, text: str) -> str:
    """AES-256-ECB under the MD5 of the API key, as v2 does it."""
    key = hashlib.md5(world.keys.apiv3_key.encode(), usedforsecurity=False).hexdigest().encode()
    padder = PKCS7(128).padder()
    padded = padder.update(text.encode()) + padder.finalize()
    encryptor = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 - what v2 does
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def _xml(fields: dict[str, str], root: str = "xml") -> str:
    return f"<{root}>" + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items()) + f"</{root}>"


def _write(world: World, text: str, how: str) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "text/xml", "Accept": "*/*", "User-Agent": "Mozilla/4.0"}, text.encode()


def _received(status: int, answer: bytes) -> bool:
    return status in (200, 204)


DIALECT = Dialect(RETRY_SECONDS, _write, _received, faults.NOTIFICATION_FAULTS)
