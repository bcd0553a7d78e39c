from django.apps import AppConfig


class CardshopConfig(AppConfig):
    name = "cardshop"
    verbose_name = "卡盟"
