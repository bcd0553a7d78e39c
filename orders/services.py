"""人工服务 under its first name; ``service_jobs.py`` is the file to import."""

from orders.service_jobs import *  # noqa: F403
from orders.service_jobs import CannotServe, hand_over, image_for, report, reports_of, start  # noqa: F401
