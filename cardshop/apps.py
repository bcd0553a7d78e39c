from django.apps import AppConfig


class CardshopConfig(AppConfig):
    name = "cardshop"
    verbose_name = "卡盟"

    def ready(self) -> None:
        from cardshop import watching
        from payments import sent

        if watching.before_sending not in sent.CHECKS:
            sent.CHECKS.append(watching.before_sending)
