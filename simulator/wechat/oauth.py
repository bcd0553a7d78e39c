"""OAuth (网页授权): the page that sends the buyer back with a code, and the call that turns it into his openid."""

from __future__ import annotations

import json
import secrets
from urllib.parse import urlencode

from simulator.wechat.phone import is_address, page
from simulator.wire import Answer
from simulator.world import World

CODE_SECONDS = 300
SCOPES = ("snsapi_base", "snsapi_userinfo")


def authorize(world: World, query: dict[str, str]) -> Answer:
    """Our one buyer agrees at once; the browser goes back with code and state."""
    target = query.get("redirect_uri", "")
    if query.get("appid") != world.keys.appid:
        return page("appid 参数错误", "<p>没有这个公众号（10006）。</p>", 400)
    if query.get("response_type") != "code" or query.get("scope") not in SCOPES:
        return page("参数错误", "<p>response_type 须为 code，scope 须为 snsapi_base（10005）。</p>", 400)
    if not is_address(target):
        return page("redirect_uri 参数错误", "<p>redirect_uri 须为完整的 http(s) 地址（10003）。</p>", 400)
    code = f"0{secrets.token_hex(16)[1:]}"
    with world.store.transaction() as db:
        db.execute(
            "INSERT INTO oauth_code (code, scope, expires_at) VALUES (?, ?, ?)",
            (code, query["scope"], world.store.now() + CODE_SECONDS),
        )
    location, _, fragment = target.partition("#")
    location += ("&" if "?" in location else "?") + urlencode({"code": code, "state": query.get("state", "")})
    return Answer(302, b"", {"Location": location + (f"#{fragment}" if fragment else ""), "Cache-Control": "no-store"})


def access_token(world: World, query: dict[str, str]) -> Answer:
    """code → openid: once, within five minutes. WeChat answers JSON as text/plain, errors with status 200."""
    keys = world.keys
    if query.get("appid") != keys.appid:
        return _plain({"errcode": 40013, "errmsg": "invalid appid"})
    if not secrets.compare_digest(query.get("secret", "").encode(), keys.app_secret.encode()):
        return _plain({"errcode": 40125, "errmsg": "invalid appsecret"})
    if query.get("grant_type") != "authorization_code":
        return _plain({"errcode": 40002, "errmsg": "invalid grant_type"})
    code = query.get("code", "")
    with world.store.transaction() as db:
        row = db.execute("SELECT * FROM oauth_code WHERE code = ?", (code,)).fetchone()
        if row is None or row["expires_at"] <= world.store.now():
            return _plain({"errcode": 40029, "errmsg": "invalid code"})
        if row["used"]:
            return _plain({"errcode": 40163, "errmsg": "code been used"})
        db.execute("UPDATE oauth_code SET used = 1 WHERE code = ?", (code,))
    return _plain(
        {
            "access_token": secrets.token_urlsafe(48),
            "expires_in": 7200,
            "refresh_token": secrets.token_urlsafe(48),
            "openid": keys.openid,
            "scope": row["scope"],
        }
    )


def _plain(data: dict[str, object]) -> Answer:
    body = json.dumps(data, ensure_ascii=False).encode()
    return Answer(200, body, {"Content-Type": "text/plain", "Cache-Control": "no-store"})
