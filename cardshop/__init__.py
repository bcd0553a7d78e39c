"""The project: puts the apps together, decides nothing."""

from cardshop.celery import app as celery_app

__all__ = ["celery_app"]
