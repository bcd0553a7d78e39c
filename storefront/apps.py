from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.utils.translation import gettext_lazy as _


class StorefrontConfig(AppConfig):
    name = "storefront"
    verbose_name = _("商城")

    def ready(self) -> None:
        from storefront import guests

        user_logged_in.connect(guests.tell_what_waits, dispatch_uid="storefront.tell_what_waits")
