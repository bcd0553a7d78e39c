"""The whole suite runs on real parts: PostgreSQL, Valkey, the simulator, all started before Django reads its settings.

Django's settings come from the environment, so `pytest_configure` below prepares it first and names the settings module
last; pytest-django then takes over. With xdist the first process starts Valkey for all, and PostgreSQL for the first
worker; each worker has its own PostgreSQL (where DATABASE_URL names one: its own database there), its own Valkey
database number and its own simulator.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cardshop import embedded, outside, translations
from cardshop.supervisor import Child
from tests.demo_stack import DemoStack, demo, demo_folder

pytest_plugins = ["tests.cast", "tests.cases"]

# How long an example takes says more of the machine, and of what else runs on it, than of our code.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.help or config.option.version:
        return
    parts = Parts()
    config.stash[PARTS] = parts
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    try:
        if not worker:
            translations.compile_all()
            parts.start_servers()
        parts.prepare_environment(number=int(worker[2:]) + 1 if worker else 0)
    except BaseException:
        parts.stop()
        raise
    empty_only_what_was_filled()
    drop_the_database_whoever_is_in_it()
    if not worker and config.getoption("numprocesses", None):
        # Workers inherit this environment: with the name in it they would read these settings before making their own.
        del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """`--dist loadgroup`: one worker starts the shared demo and takes all of its tests; the rest is dealt one by one.

    Not by the mark `xdist_group`: with pytest 9.2 it has no effect (github.com/pytest-dev/pytest-xdist/issues/1386).
    """
    return OneSharedDemo(config, log) if config.getvalue("dist") == "loadgroup" else None


class OneSharedDemo(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return "demo" if nodeid.startswith(ON_THE_SHARED_DEMO) else nodeid


ON_THE_SHARED_DEMO = ("tests/chaos/test_kill.py", "tests/journeys/", "tests/stack/test_demo_lives.py")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers take the tests in this order: what takes minutes, begun last, leaves the other core idle."""
    if hasattr(config, "workerinput"):
        items.sort(key=turn)


def turn(item: pytest.Item) -> int:
    """Demos of a test's own come before the shared one, which runs from its first test to the end."""
    if "stack" in getattr(item, "fixturenames", ()):
        assert item.nodeid.startswith(ON_THE_SHARED_DEMO), f"{item.nodeid} would start a second demo to share"
        return 1
    return 0 if item.get_closest_marker("stack") else 2 if item.path.name in LONG_FILES else 3


LONG_FILES = {
    "test_one_answer.py", "test_matrix.py", "test_races.py", "test_table.py", "test_image_corpus.py",
    "test_hostile_words.py", "test_rights.py", "test_chinese.py", "test_money_machine.py", "test_get_writes_nothing.py",
    "test_payout_kill.py", "test_reveal_against_freeze.py", "test_canaries.py", "test_bulk_kill.py", "test_ring.py",
    "test_fuzz.py", "test_mutated_notifications.py", "test_a_year.py", "test_seed.py", "test_browser.py",
    "test_hostile_words_in_a_browser.py", "test_policies_in_browser.py", "test_channels_in_browser.py",
}  # fmt: skip


def pytest_unconfigure(config: pytest.Config) -> None:
    if parts := config.stash.get(PARTS, None):
        parts.stop()


class Parts:
    """What this process started, and the folder where it lives."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cardshop-test-"))
        self.folder.chmod(0o755)  # PostgreSQL may run as another account
        self.children: list[Child] = []

    def start_servers(self) -> None:
        """PostgreSQL and Valkey, unless DATABASE_URL and REDIS_URL name others."""
        if "DATABASE_URL" not in os.environ:
            self.start_postgres()
            os.environ["EACH_WORKER_ITS_POSTGRES"] = "1"
        if "REDIS_URL" not in os.environ:
            data, valkey_port = self.folder / "valkey", embedded.free_ports(1)[0]
            self.run(embedded.valkey(data, valkey_port, self.folder / "valkey.log"))
            os.environ["REDIS_URL"] = embedded.valkey_url(data, valkey_port)

    def start_postgres(self) -> None:
        data, port = self.folder / "postgres", embedded.free_ports(1)[0]
        self.run(embedded.postgres(data, port, self.folder / "postgres.log"))
        os.environ["DATABASE_URL"] = embedded.postgres_url(data, port, "postgres")

    def prepare_environment(self, number: int) -> None:
        """The settings of a test process; `number` tells the workers of one run apart."""
        keys = self.folder / "keys"
        keys.mkdir()
        if number > 1 and "EACH_WORKER_ITS_POSTGRES" in os.environ:
            self.start_postgres()  # a server's oldest transaction is that of all its databases: the feed waits for it
        if number:
            os.environ["REDIS_URL"] = os.environ["REDIS_URL"].rsplit("/", 1)[0] + f"/{number}"
        os.environ |= outside.own_keys(keys)
        simulator = self.folder / "simulator"
        self.run(outside.simulator(simulator, embedded.free_ports(1)[0], 60, self.folder / "simulator.log"))
        os.environ |= outside.simulated_channels(simulator, keys)
        # Its limits count real seconds; tests of many refunds at once would depend on the machine's speed.
        Simulator(os.environ["SIMULATOR_CONTROL"]).post("limits", enabled=False)
        static = self.folder / "static"
        static.mkdir()  # WhiteNoise warns of a folder that is not there
        os.environ |= {
            "DEBUG": "0",
            "DEMO": "0",
            "WEBHOOKS_MAY_STAY_HERE": "1",
            "TIME_SCALE": "0.05",
            "SITE_URL": somewhere_to_notify(),
            "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
            "MEDIA_ROOT": str(self.folder / "media"),
            "WATCH_DATABASE": "0",  # a test that is rolled back is a database that forgets
            "STATIC_MANIFEST": "0",
            "STATIC_ROOT": str(static),
            "EMAIL_URL": "memorymail://",
            "DJANGO_ALLOW_ASYNC_UNSAFE": "1",  # Playwright keeps an event loop in this thread; no test here is async
            "DJANGO_SETTINGS_MODULE": "cardshop.settings",
        }
        from django.conf import settings

        assert settings.DATABASES  # reads the settings; pytest-django sets Django up once they are

    def run(self, child: Child) -> None:
        self.children.append(child)
        child.start()
        child.wait_until_ready(30)

    def stop(self) -> None:
        for child in reversed(self.children):
            child.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


PARTS = pytest.StashKey[Parts]()


def somewhere_to_notify() -> str:
    """An address that receives every notification and forgets it.

    At an address that nobody answers the simulator would try each of them fifteen times, and those that a test waits
    for would stand at the end of the queue.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forgetful)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="notifications", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


class Forgetful(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def empty_only_what_was_filled() -> None:
    """After a transactional test Django truncates every table there is, and writes rights and content types anew.

    TRUNCATE lays new files for every table and index: some 0.3 s a test. Here only tables with rows in them are
    emptied, and what `migrate` wrote of the models stays. Append-only tables refuse both: the suite's database user is
    a superuser and switches triggers, and with them foreign keys, off for its own session, for this alone.
    """
    from django.db import connection, transaction
    from django.test import TransactionTestCase

    def teardown(self: TransactionTestCase) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            names = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
            tables = [connection.ops.quote_name(name) for name in sorted(names - WRITTEN_BY_MIGRATE)]
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)
            )
            filled = [row[0] for row in cursor.fetchall()]
            cursor.execute("; ".join(f"DELETE FROM {table}" for table in filled) or "SELECT")

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


WRITTEN_BY_MIGRATE = {"django_content_type", "auth_permission"}


def drop_the_database_whoever_is_in_it() -> None:
    """A notification that the simulator sends once more may be on its way into the live server as the run ends."""
    from django.db.backends.postgresql.creation import DatabaseCreation

    def destroy(self: DatabaseCreation, test_database_name: str, verbosity: int) -> None:
        with self._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {self.connection.ops.quote_name(test_database_name)} WITH (FORCE)")

    DatabaseCreation._destroy_test_db = destroy  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _nothing_expires_by_chance() -> None:
    """No count of queries depends on which write looks for what has expired; ``test_shared_cache.py`` tries that."""
    from cardshop import cache

    cache.ONE_IN = 10**12


@pytest.fixture(autouse=True)
def _calendar_without_entries() -> None:
    """As the tests' database begins: no count of queries depends on when a process last looked for entries."""
    from workcalendar import current
    from workcalendar.days import Calendar

    current.know(Calendar())


# --- The outside world ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Simulator:
    """The simulator's control plane: what buyers, banks and networks do (`/_control/…`)."""

    address: str

    def pay(self, out_trade_no: str) -> dict[str, Any]:
        """The buyer pays; the notification follows."""
        return self.post("pay", out_trade_no=out_trade_no)

    def settle(self, request_no: str, status: str = "SUCCESS") -> dict[str, Any]:
        """A refund reaches its end at the bank: SUCCESS, ABNORMAL or CLOSED."""
        return self.post("settle", request_no=request_no, status=status)

    def faults(self, fault: str, *, request_no: str = "", rate: float | None = None, times: int = 1) -> dict[str, Any]:
        """Break something: for one refund number, or for a share of all calls."""
        where = {"request_no": request_no} if rate is None else {"rate": rate}
        return self.post("faults", fault=fault, times=times, **where)

    def clock(self, advance_seconds: float) -> dict[str, Any]:
        """Let its own states age; signatures keep real time.

        It never goes back, and the tests of a worker share one: by and by it would be past the fifteen minutes that a
        payment has. Who needs more has a simulator of their own.
        """
        if self.address == os.environ["SIMULATOR_CONTROL"] and advance_seconds > 5:
            raise ValueError("the simulator of all tests moves by 5 s at most: 2 s are its minute between two refunds")
        return self.post("clock", advance_seconds=advance_seconds)

    def ledger(self) -> dict[str, Any]:
        """Its own truth about every payment and refund."""
        with urllib.request.urlopen(f"{self.address}/_control/ledger", timeout=10) as answer:
            return json.load(answer)  # type: ignore[no-any-return]

    def post(self, what: str, **body: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.address}/_control/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def simulator() -> Simulator:
    """The simulator that this test process's settings point at. It remembers everything until the run ends."""
    return Simulator(os.environ["SIMULATOR_CONTROL"])


@pytest.fixture(scope="session")
def stack() -> Iterator[DemoStack]:
    """The whole demo, ready, shared by all tests of this run that ask for it; it must end without leaving a process."""
    with demo_folder() as data, demo(data) as running:
        running.wait_until_ready()
        yield running
        assert running.stop() == 0
        assert running.left_over() == []


# --- Chromium -------------------------------------------------------------------------------------------------------

CHROMIUM_FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                  "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], playwright: Any) -> dict[str, Any]:
    """pytest-playwright's own `browser`, `context` and `page` use the Chromium that is here."""
    sandbox = ["--no-sandbox"] if embedded.ROOT else []
    return browser_type_launch_args | {
        "executable_path": chromium_path(playwright.chromium.executable_path),
        "args": CHROMIUM_FLAGS + sandbox,
    }


@pytest.fixture(scope="session")
def chromium(browser: Any) -> Any:
    """A running Chromium (Playwright's Browser), for tests that open several contexts."""
    return browser


def chromium_path(playwrights_own: str) -> str:
    """$CHROMIUM_PATH, else Playwright's own, else the system's; none: skipped on a laptop, a failure in CI."""
    system = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome")]
    for path in [os.environ.get("CHROMIUM_PATH"), playwrights_own, *system]:
        if path and Path(path).exists():
            return path
    message = "no Chromium: install the package chromium, or set CHROMIUM_PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
