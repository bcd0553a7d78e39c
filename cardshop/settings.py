"""One settings file. What differs by place comes from the environment; a missing secret is loud.

`python manage.py doctor` says what is set wrong and what to do about it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.bool("DEBUG", False)
DEMO = env.bool("DEMO", False)
SITE_URL = env.str("SITE_URL", "http://127.0.0.1:8000").rstrip("/")


def secret_file(name: str, default: str = "") -> str:
    """The text of the file that the variable NAME points at; empty if it is not set."""
    path = env.str(name, default)
    if not path:
        return ""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}={path}: {error.strerror}. Point it at a readable file.") from error


SECRET_KEY = secret_file("SECRET_KEY_FILE") or env.str("SECRET_KEY", "")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "Set SECRET_KEY_FILE to a file with a long random text. Beside a demo: python -m cardshop.demo COMMAND has one."
    )

# --- Channels: docs/decisions/0003-channel-calls.md -----------------------------------------------------------------

CHANNELS = env.str("CHANNELS", "simulated")
TIME_SCALE = env.float("TIME_SCALE", 1.0)  # shortens polling and spacing; forbidden when live
CLOCK_OFFSET_SECONDS = env.int("CLOCK_OFFSET_SECONDS", 0)
OFFICIAL_HOSTS = {
    "WECHAT_GATEWAY": {"api.mch.weixin.qq.com", "api2.mch.weixin.qq.com"},
    "WECHAT_OAUTH_GATEWAY": {"api.weixin.qq.com", "open.weixin.qq.com"},  # two: when live, neither is to be named
    "ALIPAY_GATEWAY": {"openapi.alipay.com"},
}

WECHAT = {
    "gateway": env.str("WECHAT_GATEWAY", "").rstrip("/"),
    "mchid": env.str("WECHAT_MCHID", ""),
    "appid": env.str("WECHAT_APPID", ""),
    "apiv3_key": secret_file("WECHAT_APIV3_KEY_FILE"),
    "cert_serial_no": env.str("WECHAT_CERT_SERIAL_NO", ""),
    "private_key": secret_file("WECHAT_PRIVATE_KEY_FILE"),
    "public_key": secret_file("WECHAT_PUBLIC_KEY_FILE"),
    "public_key_id": env.str("WECHAT_PUBLIC_KEY_ID", ""),
    "cert_dir": env.str("WECHAT_CERT_DIR", ""),  # selects the certificate mode
    "app_secret": secret_file("WECHAT_APP_SECRET_FILE"),  # for paying inside WeChat
    "oauth_gateway": env.str("WECHAT_OAUTH_GATEWAY", "").rstrip("/"),
}
ALIPAY = {
    "gateway": env.str("ALIPAY_GATEWAY", ""),
    "app_id": env.str("ALIPAY_APP_ID", ""),
    "seller_id": env.str("ALIPAY_SELLER_ID", ""),
    "app_private_key": secret_file("ALIPAY_APP_PRIVATE_KEY_FILE"),
    "alipay_public_key": secret_file("ALIPAY_PUBLIC_KEY_FILE"),
}
if CHANNELS not in {"simulated", "live"}:
    raise ImproperlyConfigured("CHANNELS must be 'simulated' or 'live'.")
_gateways = {
    "WECHAT_GATEWAY": WECHAT["gateway"],
    "WECHAT_OAUTH_GATEWAY": WECHAT["oauth_gateway"],
    "ALIPAY_GATEWAY": ALIPAY["gateway"],
}
_official = {name for name, address in _gateways.items() if urlsplit(address).hostname in OFFICIAL_HOSTS[name]}
if CHANNELS == "simulated":
    if _official:
        raise ImproperlyConfigured(
            f"CHANNELS=simulated refuses the channels' own hosts ({', '.join(sorted(_official))})."
            " Set CHANNELS=live to move real money."
        )
    if WECHAT["mchid"] and not WECHAT["gateway"]:
        raise ImproperlyConfigured("CHANNELS=simulated needs WECHAT_GATEWAY, the address of a simulator.")
    if WECHAT["app_secret"] and not WECHAT["oauth_gateway"]:
        raise ImproperlyConfigured("CHANNELS=simulated: WECHAT_APP_SECRET_FILE needs WECHAT_OAUTH_GATEWAY beside it.")
    if ALIPAY["app_id"] and not ALIPAY["gateway"]:
        raise ImproperlyConfigured("CHANNELS=simulated needs ALIPAY_GATEWAY, the address of a simulator.")
if CHANNELS == "live":
    for _name, _address in _gateways.items():
        is_fine = _name in _official and _address.startswith("https://") and _name != "WECHAT_OAUTH_GATEWAY"
        if _address and not is_fine:
            raise ImproperlyConfigured(f"CHANNELS=live takes the channel's own https address only. Unset {_name}.")
    _wechat_needs = {"mchid", "appid", "apiv3_key", "cert_serial_no", "private_key"}
    if not WECHAT["cert_dir"]:
        _wechat_needs |= {"public_key", "public_key_id"}
    if not all(WECHAT[name] for name in _wechat_needs):
        raise ImproperlyConfigured("CHANNELS=live needs every WECHAT_… variable (see README, 真实商户号).")
    if ALIPAY["app_id"] and not (ALIPAY["seller_id"] and ALIPAY["app_private_key"] and ALIPAY["alipay_public_key"]):
        raise ImproperlyConfigured("CHANNELS=live: ALIPAY_APP_ID needs the other ALIPAY_… variables too (see README).")
    if DEBUG or DEMO or TIME_SCALE != 1.0 or CLOCK_OFFSET_SECONDS:
        raise ImproperlyConfigured("CHANNELS=live forbids DEBUG, DEMO, TIME_SCALE and CLOCK_OFFSET_SECONDS.")
    if not SITE_URL.startswith("https://"):
        raise ImproperlyConfigured("CHANNELS=live needs SITE_URL=https://…: WeChat notifies https addresses only.")
if not 0 < TIME_SCALE <= 1:
    raise ImproperlyConfigured("TIME_SCALE must be above 0 and at most 1.")

# Who carries out top-ups and knows what became of a code, by the code of its ``shops.Supplier``: shops/suppliers/.
SUPPLIERS = {
    "issuer": {
        "gateway": env.str("SUPPLIER_ISSUER_GATEWAY", "").rstrip("/"),
        "supplier_id": env.str("SUPPLIER_ISSUER_ID", ""),
        "supplier_key": secret_file("SUPPLIER_ISSUER_KEY_FILE"),
        "public_key": secret_file("SUPPLIER_ISSUER_PUBLIC_KEY_FILE"),
    },
}
SUPPLIERS = {code: keys for code, keys in SUPPLIERS.items() if keys["gateway"]}
for _code, _keys in SUPPLIERS.items():
    if not all(_keys.values()):
        raise ImproperlyConfigured(f"SUPPLIER_{_code.upper()}_GATEWAY needs …_ID, …_KEY_FILE, …_PUBLIC_KEY_FILE.")
    if CHANNELS == "live" and not _keys["gateway"].startswith("https://"):
        raise ImproperlyConfigured(f"CHANNELS=live takes an https address only: SUPPLIER_{_code.upper()}_GATEWAY.")

# Lets shops' webhooks go to this machine, without TLS: for tests and the demo (integrations/calling.py).
WEBHOOKS_MAY_STAY_HERE = env.bool("WEBHOOKS_MAY_STAY_HERE", False)
if CHANNELS == "live" and WEBHOOKS_MAY_STAY_HERE:
    raise ImproperlyConfigured("CHANNELS=live forbids WEBHOOKS_MAY_STAY_HERE: a shop could call our own servers.")

# Who verifies real names, by short name or dotted path: accounts/realname. None when live: no express refunds.
REALNAME_PROVIDER = env.str("REALNAME_PROVIDER", "") or ("console" if CHANNELS == "simulated" else "")
if CHANNELS == "live" and REALNAME_PROVIDER in {"console", "accounts.realname.console.ConsoleProvider"}:
    raise ImproperlyConfigured("CHANNELS=live forbids REALNAME_PROVIDER=console: it asks nobody.")

# Who carries notices to phones, by short name or dotted path: notices/channels. None when live: by e-mail alone.
SMS_PROVIDER = env.str("SMS_PROVIDER", "") or ("console" if CHANNELS == "simulated" else "")
WECHAT_MESSAGES_PROVIDER = env.str("WECHAT_MESSAGES_PROVIDER", "") or ("console" if CHANNELS == "simulated" else "")
SMS_TENCENT = {
    "gateway": env.str("SMS_TENCENT_GATEWAY", "").rstrip("/"),
    "secret_id": env.str("SMS_TENCENT_SECRET_ID", ""),
    "secret_key": secret_file("SMS_TENCENT_SECRET_KEY_FILE"),
    "region": env.str("SMS_TENCENT_REGION", "ap-guangzhou"),
    "app_id": env.str("SMS_TENCENT_APP_ID", ""),
    "sign_name": env.str("SMS_TENCENT_SIGN_NAME", ""),
    "templates": env.dict("SMS_TENCENT_TEMPLATES", default={}),  # refund=1110,order=1111,code=1112; refund_en=…
}
WECHAT_MESSAGES = {
    "gateway": env.str("WECHAT_MESSAGES_GATEWAY", "").rstrip("/"),
    "appid": env.str("WECHAT_MESSAGES_APPID", ""),
    "secret": secret_file("WECHAT_MESSAGES_SECRET_FILE"),
    "templates": env.dict("WECHAT_MESSAGES_TEMPLATES", default={}),  # refund=…,order=…
    "fields": env.dict("WECHAT_MESSAGES_FIELDS", default={"tail": "character_string1", "brief": "thing2"}),
}
if SMS_PROVIDER == "tencent" and not all(SMS_TENCENT[name] for name in SMS_TENCENT if name != "gateway"):
    raise ImproperlyConfigured("SMS_PROVIDER=tencent needs every SMS_TENCENT_… variable (see README).")
if WECHAT_MESSAGES_PROVIDER == "official_account":  # an openid is good in the app that learned it: where buyers pay
    if WECHAT_MESSAGES["appid"] or WECHAT_MESSAGES["secret"]:
        raise ImproperlyConfigured("WECHAT_MESSAGES_PROVIDER=official_account is WECHAT_APPID: it has no other keys.")
    WECHAT_MESSAGES |= {"appid": WECHAT["appid"], "secret": WECHAT["app_secret"]}
if WECHAT_MESSAGES_PROVIDER in {"mini_program", "official_account"} and not all(
    WECHAT_MESSAGES[name] for name in WECHAT_MESSAGES if name != "gateway"
):
    raise ImproperlyConfigured(
        "WECHAT_MESSAGES_PROVIDER needs WECHAT_MESSAGES_TEMPLATES and _FIELDS; mini_program also _APPID, _SECRET_FILE;"
        " official_account WECHAT_APPID, WECHAT_APP_SECRET_FILE."
    )
if CHANNELS == "live":
    if any(name.endswith(("console", "ConsoleSender")) for name in (SMS_PROVIDER, WECHAT_MESSAGES_PROVIDER)):
        raise ImproperlyConfigured("CHANNELS=live forbids SMS_PROVIDER and WECHAT_MESSAGES_PROVIDER=console.")
    if SMS_TENCENT["gateway"] or WECHAT_MESSAGES["gateway"]:
        raise ImproperlyConfigured("CHANNELS=live forbids SMS_TENCENT_GATEWAY and WECHAT_MESSAGES_GATEWAY.")

CARD_KEYS_FILE = env.str("CARD_KEYS_FILE", "")  # key-encryption keys of the card codes: shops/vault.py
RECORD_KEY_FILE = env.str("RECORD_KEY_FILE", "")  # signs each day's root: records/signing.py

# --- Parts ----------------------------------------------------------------------------------------------------------

ROOT_URLCONF = "cardshop.urls"
WSGI_APPLICATION = "cardshop.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "cardshop.desk_app.DeskConfig",  # django.contrib.admin, with our own site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "pgtrigger",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "notices",
    "workcalendar",
    "records",
    "ledger",
    "shops",
    "orders",
    "payments",
    "refunds",
    "integrations",
    "support",
    "reconciliation",
    "storefront",
    "portal",
    "api",
    "cardshop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "cardshop.desk.DeskContentPolicy",
    "storefront.language.ChineseFirstLocaleMiddleware",
    "cardshop.doorkeeper.Doorkeeper",  # before anybody reads the query or the session
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.uploads.UploadsInMemory",  # before the token is read, and with it the upload
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "storefront.guests.GuestsStayInTheShop",
    "storefront.device.GivesDevices",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "storefront.context.shop",
            ],
        },
    },
]

# --- Data -----------------------------------------------------------------------------------------------------------

DATABASE_URL = secret_file("DATABASE_URL_FILE") or env.str(
    "DATABASE_URL", "postgres://postgres@127.0.0.1:5432/cardshop"
)
# As whom the application runs, where DATABASE_URL is the owner's: for migrations alone (cardshop/grants.py).
APP_DATABASE_URL = secret_file("APP_DATABASE_URL_FILE") or env.str("APP_DATABASE_URL", "")
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"] |= {
    "CONN_MAX_AGE": env.int("CONN_MAX_AGE", 60),
    "CONN_HEALTH_CHECKS": True,
    "ATOMIC_REQUESTS": False,  # transactions are explicit; no channel call may stand inside one
    "OPTIONS": {
        "options": "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
        "connect_timeout": 5,
    },
}
REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")

# The shared cache carries login throttles: in the database, so that losing Redis opens no door.
CACHES = {"default": {"BACKEND": "cardshop.cache.SharedCache", "LOCATION": "django_cache"}}

MEDIA_ROOT = Path(env.str("MEDIA_ROOT", str(BASE_DIR / ".local" / "media")))  # private: served by authorized views only
# What was sent and how far the database had come, in files outside it (payments/sent.py, cardshop/watching.py): keep
# them when a database is restored.
SENT_DIR = Path(env.str("SENT_DIR", str(MEDIA_ROOT.parent / "sent")))
WATCH_DATABASE = env.bool("WATCH_DATABASE", True)
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if env.bool("STATIC_MANIFEST", not DEBUG)
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 30  # beyond what a form takes (6): the form says so, and keeps what was typed

# --- Language and time ----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "简体中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"

# --- Who is who -----------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "accounts.guests.QueryPassword",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.passwords.NotTheDemoPassword"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_USERNAME_VALIDATORS = "accounts.usernames.VALIDATORS"
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
# A session left behind somewhere opens neither another address nor a new password: both ask who it is once more.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # and the known address hears of such a change
ACCOUNT_RATE_LIMITS = {
    "find_order": "30/10m/ip,10/10m/key",
    "guest_buy": "20/10m/ip",
    "real_name": "20/h/ip,5/h/user",
    "verify_support": "30/10m/ip",
    "phone_code": "20/h/ip,10/h/user",
}  # beside allauth's own
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if env.bool("BEHIND_PROXY", False) else 0
EMAIL_CONFIG = env.email_url("EMAIL_URL", "consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "noreply@localhost")
EMAIL_TIMEOUT = 10  # seconds; without it a mail server that hangs would hold a worker for ever

# --- Support: hours and promises (support/hours.py) ------------------------------------------------------------------

SUPPORT_OPENS_AT = env.str("SUPPORT_OPENS_AT", "09:00")  # in Shanghai, every day
SUPPORT_CLOSES_AT = env.str("SUPPORT_CLOSES_AT", "21:00")
SUPPORT_FIRST_ANSWER_MINUTES = env.int("SUPPORT_FIRST_ANSWER_MINUTES", 5)  # of those hours (S3-19)
SUPPORT_NEXT_ANSWER_MINUTES = env.int("SUPPORT_NEXT_ANSWER_MINUTES", 30)
SUPPORT_ESCALATION_MINUTES = env.int("SUPPORT_ESCALATION_MINUTES", 15)  # for each who takes over what is late
SUPPORT_PHONE = env.str("SUPPORT_PHONE", "")  # for what is urgent; empty: there is none, and the page says so

# --- Browser safety -------------------------------------------------------------------------------------------------

_https = SITE_URL.startswith("https://")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[urlsplit(SITE_URL).hostname or "localhost", "localhost", "127.0.0.1"]
)
CSRF_TRUSTED_ORIGINS = [SITE_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = _https
SESSION_COOKIE_NAME = "__Host-session" if _https else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrf" if _https else "csrftoken"
LANGUAGE_COOKIE_NAME = "cardshop_language"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
DEVICE_COOKIE_NAME = "__Host-device" if _https else "device"  # accounts/devices.py
DEVICE_COOKIE_AGE = 365 * 24 * 3600
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked from inside, without TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", False) else None
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"  # WeChat's H5 pay needs a Referer
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/api/docs"],
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}
# Unfold (Alpine.js) evaluates expressions and styles inline: its own, wider policy for the staff desk alone.
ADMIN_CONTENT_SECURITY_POLICY = {
    "default-src": [NONE],
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
    "base-uri": [NONE],
}

# --- The staff desk (Django admin with Unfold) ------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "卡盟客服台",
    "SITE_HEADER": "卡盟客服台",
    "SITE_SYMBOL": "support_agent",
    "SITE_URL": "/",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "cardshop.desk.environment",
    "DASHBOARD_CALLBACK": "cardshop.start_page.dashboard",
    "STYLES": ["cardshop.desk.stylesheet"],
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "cardshop.desk.sidebar"},
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.6)",
            "100": "oklch(93.2% .032 255.6)",
            "200": "oklch(88.2% .059 254.1)",
            "300": "oklch(80.9% .105 251.8)",
            "400": "oklch(70.7% .165 254.6)",
            "500": "oklch(58% .19 257)",
            "600": "oklch(50% .19 258)",
            "700": "oklch(44% .18 259)",
            "800": "oklch(38% .15 260)",
            "900": "oklch(33% .12 261)",
            "950": "oklch(26% .08 262)",
        },
    },
}

# --- Celery: the bell, not the queue (docs/decisions/0002-row-is-the-queue.md) ---------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2, "socket_keepalive": True}
CELERY_TASK_PUBLISH_RETRY = False  # a bell that cannot ring is no error: the sweeper finds the row
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE

# --- REST -----------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.MultiPartParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.errors.problem",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "600/min", "shop_key": "120/min"},
    "NUM_PROXIES": 1 if env.bool("BEHIND_PROXY", False) else 0,  # else a visitor names its own address
}
SPECTACULAR_SETTINGS = {
    "TITLE": "卡盟退款 API · Card-shop refunds API",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "orders.models.OrderStatus",
        "PaymentStatus": "payments.models.PaymentStatus",
        "AttemptStatus": "payments.models.AttemptStatus",
        "RefundStatus": "refunds.models.Status",
        "DestinationToAskFor": "refunds.models.Destination.to_ask_for",
    },
}

# --- Logs -----------------------------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
}
