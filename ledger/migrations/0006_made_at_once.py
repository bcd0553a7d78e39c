"""Up to here `cardshop.0001_squashed_all_apps` makes an empty database at once; new migrations come after."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_posting_by_time")]
