from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # nobody waits while a long table is read
    dependencies = [("support", "0003_made_at_once")]

    operations = [
        AddIndexConcurrently(
            model_name="ticket", index=models.Index(fields=["promised_by", "-id"], name="ticket_in_order")
        ),
        AddIndexConcurrently(
            model_name="shopcomplaint", index=models.Index(fields=["promised_by", "-id"], name="complaint_in_order")
        ),
    ]
