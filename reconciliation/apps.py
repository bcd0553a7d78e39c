from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReconciliationConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "reconciliation"
    verbose_name = _("对账")

    def ready(self) -> None:
        from reconciliation import resolving
        from refunds import doubts

        if resolving.closed_paid not in doubts.SOURCES:
            doubts.SOURCES.append(resolving.closed_paid)
