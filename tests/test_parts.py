"""The test run's own parts are real ones."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_postgres_sorts_and_searches_chinese() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW fsync")
        assert cursor.fetchone() == ("on",)
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        cursor.execute("SELECT show_trgm('退款')")
        assert cursor.fetchone()[0]
