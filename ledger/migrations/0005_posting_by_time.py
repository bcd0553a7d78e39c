from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # nobody waits while a long table is read
    dependencies = [("ledger", "0004_transfers")]

    operations = [
        AddIndexConcurrently(
            model_name="posting", index=models.Index(fields=["posted_at", "id"], name="posting_by_time")
        ),
    ]
