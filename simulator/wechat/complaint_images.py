"""Images of complaints: the merchant uploads his proofs, and fetches his own and the buyer's.

An upload is multipart; what the merchant signs is the text of its `meta` part: {"filename", "sha256"}. Some clients,
the stock Python one among them, leave the boundary out of the Content-Type; the body tells it.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import struct
import zlib
from typing import Any

from simulator.inputs import BadInput, parse_object
from simulator.wechat.calls import Call, Refusal, param_error, route
from simulator.wechat.complaint_book import keep_image
from simulator.wire import Answer, Request
from simulator.world import World

LARGEST_IMAGE = 2 * 1024 * 1024
BOUNDARY = re.compile(rb"--([!-~]{1,70})\r\n")
NAME = re.compile(rb'name="([^"]*)"', re.IGNORECASE)
KINDS = {  # suffix -> (content type, how such a file begins)
    "png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    "jpg": ("image/jpeg", b"\xff\xd8\xff"),
    "jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    "bmp": ("image/bmp", b"BM"),
}


def _meta(request: Request) -> bytes:
    return parts(request.body).get("meta", b"")


def _parsed_meta(request: Request) -> dict[str, Any]:
    try:
        return parse_object(_meta(request))
    except BadInput as error:
        raise BadInput(f"meta: {error}") from None


@route("POST", r"/v3/merchant-service/images/upload", body=_parsed_meta, signed_body=_meta)
def _upload(world: World, call: Call) -> Answer:
    """商户上传反馈图片: answers the media_id."""
    filename, wanted = call.data.get("filename"), call.data.get("sha256")
    data = parts(call.request.body).get("file", b"")
    if not isinstance(filename, str) or filename.rpartition(".")[2].lower() not in KINDS:
        raise param_error("meta/filename", filename, "须为以JPG、BMP、PNG为后缀的文件名")
    content_type, beginning = KINDS[filename.rpartition(".")[2].lower()]
    if not data.startswith(beginning):
        raise param_error("file", "", "文件内容与后缀不符，仅支持JPG、BMP、PNG")
    if len(data) > LARGEST_IMAGE:
        raise param_error("file", "", "图片大小不能超过2M")
    if not isinstance(wanted, str) or hashlib.sha256(data).hexdigest() != wanted.lower():
        raise param_error("meta/sha256", wanted, "与图片文件的摘要不一致")
    with world.store.transaction() as db:
        return Answer.json({"media_id": keep_image(db, content_type, data, by_merchant=True)})


@route("GET", r"/v3/merchant-service/images/([0-9a-f]{48})", signed=False)
def _download(world: World, call: Call) -> Answer:
    """图片请求: the image itself, without a signature."""
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM complaint_media WHERE media_id = ?", (call.number,)
        ).fetchone()
    if row is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "图片不存在")
    return Answer(200, row["data"], {"Content-Type": row["content_type"]})


def parts(body: bytes) -> dict[str, bytes]:
    """The named parts of a multipart body; none if it is not one."""
    match = BOUNDARY.match(body)
    if not match:
        return {}
    fence = b"\r\n--" + match[1]
    result: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(fence)[1:]:
        head, gap, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = NAME.search(head)
        if gap and name:
            result.setdefault(name[1].decode("utf-8", "replace"), content)
    return result


def sample_image(shade: int) -> bytes:
    """A small PNG of one gray, 0 to 255: what a buyer's photo looks like here."""
    rows = (b"\x00" + bytes([shade]) * 32) * 32
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
