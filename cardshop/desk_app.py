"""Puts our own site behind ``django.contrib.admin``."""

from django.contrib.admin.apps import AdminConfig


class DeskConfig(AdminConfig):
    default_site = "accounts.desk.StaffDesk"
    verbose_name = "操作日志"
