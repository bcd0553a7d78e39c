"""Every address of the house. A new one needs a row in tests/access/: a test fails until it has one."""

urlpatterns: list = []
