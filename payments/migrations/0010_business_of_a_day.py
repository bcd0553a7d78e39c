from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # nobody waits while a long table is read
    dependencies = [("payments", "0009_made_at_once")]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(name="payment_of_a_day", fields=["account", "paid_at"], condition=Q(status="paid")),
        ),
        AddIndexConcurrently(
            model_name="refundattempt",
            index=models.Index(
                name="attempt_of_a_day", fields=["accepted_at"], condition=Q(accepted_at__isnull=False)
            ),
        ),
    ]
