from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [('integrations', '0001_keys_and_webhooks')]

    operations = [migrations.RenameModel(old_name='Reading', new_name='FeedMark')]
