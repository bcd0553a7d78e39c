"""The web's entrance for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardshop.settings")
shop = get_wsgi_application()

from cardshop import garbage  # noqa: E402
from cardshop.doorkeeper import OnlyUtf8  # noqa: E402  (what it refuses with needs the apps, which are ready now)

application = OnlyUtf8(shop)
garbage.look_rarely()
