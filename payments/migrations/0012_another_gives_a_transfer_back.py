from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    """From now on: what one person recorded alone before stays as it is, so old rows are not looked at."""

    dependencies = [("payments", "0011_shops_own_accounts_give_back_themselves")]

    operations = [
        AddConstraintNotValid(
            model_name="transfer",
            constraint=models.CheckConstraint(
                name="transfer_is_given_back_by_another",
                condition=Q(paid_by__isnull=True) | Q(ended_by__isnull=True) | ~Q(ended_by=F("paid_by")),
            ),
        ),
    ]
