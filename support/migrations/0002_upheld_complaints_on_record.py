"""What was upheld before stands in its shop's record too: that is where the shop's figures count it."""

from django.db import migrations

FORWARD = """
INSERT INTO shops_shopevent (shop_id, step, from_status, to_status, actor_id, reason, at)
SELECT c.shop_id, 'complaint_upheld', s.status, s.status, c.investigator_id, c.complaint_no, c.decided_at
FROM support_shopcomplaint c JOIN shops_shop s ON s.id = c.shop_id
WHERE c.status = 'upheld'
  AND NOT EXISTS (SELECT FROM shops_shopevent e
                  WHERE e.shop_id = c.shop_id AND e.step = 'complaint_upheld' AND e.reason = c.complaint_no)
ORDER BY c.decided_at, c.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("shops", "0011_clocks_in_policy"),
        ("support", "0001_initial"),
    ]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
