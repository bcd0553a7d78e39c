"""Up to here `cardshop.0001_squashed_all_apps` makes an empty database at once; new migrations come after."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("refunds", "0026_another_account_is_looked_at")]
