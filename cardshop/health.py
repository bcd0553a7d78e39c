"""Is the shop alive, is it ready? `/healthz` and `/readyz` for machines, `manage.py doctor` for people."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

import clock
from cardshop import grants
from cardshop.models import Heartbeat, RecoveryRun
from payments import channels
from records import signing
from shops import vault
from workcalendar import plans

OLDEST_HEARTBEAT = timedelta(seconds=30)  # they come every 5 s; sooner than this a busy worker would look dead
FULL_DISK_BYTES = 100_000_000


@dataclass(frozen=True)
class Check:
    """One thing that must hold; `advice` says what to do while it does not. One that `can_wait` is told of, and the
    shop is well all the same."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    can_wait: bool = False


def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers. Asks nobody else, so that a lost database restarts no web server."""
    return HttpResponse("ok", content_type="text/plain", headers={"Cache-Control": "no-store"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 if every part works, else 503; `{"ready": bool, "checks": [{"name", "ok", "detail", "advice", …}]}`."""
    found = readiness()
    ready = all(check.ok for check in found)
    body = {"ready": ready, "checks": [asdict(check) for check in found]}
    plain = {"ensure_ascii": False}
    headers = {"Cache-Control": "no-store"}
    return JsonResponse(body, status=200 if ready else 503, headers=headers, json_dumps_params=plain)


def readiness() -> list[Check]:
    """All parts, the ones that others need first; without a database nothing is asked of it again."""
    reachable = database()
    if not reachable.ok:
        return [reachable, broker(), keys()]
    return [
        reachable,
        migrations(),
        broker(),
        heartbeat("worker", "celery -A cardshop worker"),
        heartbeat("beat", "celery -A cardshop beat"),
        keys(),
    ]


def database() -> Check:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return Check("database", False, type(error).__name__, "检查 DATABASE_URL 与 PostgreSQL / check them")
    return Check("database", True, "连接正常 / reachable")


def migrations() -> Check:
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return Check("migrations", False, type(error).__name__, "先恢复数据库 / bring the database back first")
    if missing:
        return Check("migrations", False, f"{len(missing)} 个未执行 / not applied", "python manage.py migrate")
    return Check("migrations", True, "已全部执行 / all applied")


def broker() -> Check:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    except redis.RedisError as error:
        return Check("broker", False, type(error).__name__, "检查 REDIS_URL 与 Redis / check them; no data are lost")
    return Check("broker", True, "连接正常 / reachable")


def heartbeat(name: str, command: str) -> Check:
    try:
        age = Heartbeat.age(name)
    except DatabaseError as error:
        return Check(name, False, type(error).__name__, "先恢复数据库 / bring the database back first")
    if age is None or age > OLDEST_HEARTBEAT:
        seen = "从未见到 / never seen" if age is None else f"{age.total_seconds():.0f} 秒前 / s ago"
        return Check(name, False, seen, f"启动或查看日志 / start it or read its log: {command}")
    return Check(name, True, f"{age.total_seconds():.0f} 秒前 / s ago")


def keys() -> Check:
    """The channels' credentials fit together; the key files of the card codes and of the record can be read."""
    broken = channels.unusable()
    try:
        vault.keyring(settings.CARD_KEYS_FILE)
    except vault.VaultError as error:
        broken["CARD_KEYS_FILE"] = str(error)
    try:
        signing.signer()
    except signing.CannotSign as error:
        broken["RECORD_KEY_FILE"] = str(error)
    if broken:
        detail = "; ".join(f"{name}: {reason}" for name, reason in broken.items())
        return Check("keys", False, detail, "核对密钥文件与商户参数 / check the key files and merchant settings")
    return Check("keys", True, "已载入 / loaded")


def calendar() -> Check:
    """Next year's plan is here 60 days before the year begins; without it deadlines in it are estimated (P10)."""
    try:
        missing = plans.missing_year(clock.now())
    except DatabaseError as error:
        return Check("calendar", False, type(error).__name__, "先恢复数据库 / bring the database back first")
    if missing is None:
        return Check("calendar", True, "放假安排齐备 / plans of days off are here")
    detail = f"{missing} 年放假安排未录入，跨年期限按估算 / {missing} has no plan, deadlines in it are estimated"
    advice = "运营在客服台“工作日历”录入，或升级 chinesecalendar / enter it at the desk, or upgrade chinesecalendar"
    return Check("calendar", False, detail, advice, can_wait=True)


def role() -> Check:
    """The application's role owns nothing, and adds to what is written once, no more (I7)."""
    try:
        found = grants.too_much()
    except DatabaseError as error:
        return Check("role", False, type(error).__name__, "先恢复数据库 / bring the database back first")
    if not found:
        return Check("role", True, "应用角色不能改账本与结构 / cannot change the ledger or the schema")
    detail = f"权限过大 / may do too much: {'、'.join(found[:3])}"
    advice = "以属主运行 manage.py grant_rights，应用的 DATABASE_URL 用该角色 / run it as the owner, use that role"
    return Check("role", False, detail, advice, can_wait=True)


def recovery() -> Check:
    """No restore or failover waits for its recovery run (F6, F7)."""
    try:
        run = RecoveryRun.objects.filter(closed_at=None).first()
    except DatabaseError as error:
        return Check("recovery", False, type(error).__name__, "先恢复数据库 / bring the database back first")
    if run is None:
        return Check("recovery", True, "数据库未曾回退 / the database has lost nothing")
    advice = "manage.py recover，做完后由人恢复出款 / run it, then somebody turns outgoing money on again"
    return Check("recovery", False, f"出款已停 / outgoing money is stopped: {run.reason}", advice)


def sanity() -> Iterator[Check]:
    """Settings that start, but that an operator should know of (for `doctor`, not for `/readyz`)."""
    live = settings.CHANNELS == "live"
    yield Check("channels", True, "真实资金 / real money" if live else "模拟 / simulated: no real money moves")
    https = settings.SITE_URL.startswith("https://")
    yield Check("site", https or settings.DEMO, settings.SITE_URL, "正式环境须用 https / set SITE_URL=https://…")
    yield Check("debug", not settings.DEBUG, f"DEBUG={settings.DEBUG}", "DEBUG=0")
    folder = Path(settings.MEDIA_ROOT)
    place = next((parent for parent in [folder, *folder.parents] if parent.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    detail = f"{place}: {free // 1_000_000} MB 可用 / free"
    yield calendar()
    yield role()
    yield recovery()
    yield Check("disk", free > FULL_DISK_BYTES, detail, "清理磁盘 / make room: uploads are refused on a full disk")
