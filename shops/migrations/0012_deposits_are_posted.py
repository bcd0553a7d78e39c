"""What shops have laid down so far is in the ledger from now on, a posting for each voucher."""

from django.db import migrations

POST = """
WITH made AS (INSERT INTO ledger_account (code, kind)
              SELECT DISTINCT 'reserve:' || shop_id, 'reserve' FROM shops_depositentry
              UNION SELECT 'bank:platform', 'bank' WHERE EXISTS (SELECT FROM shops_depositentry)
              ON CONFLICT (code) DO UPDATE SET code = EXCLUDED.code RETURNING id, code),
     posted AS (INSERT INTO ledger_posting (ref, posted_at)
                SELECT 'deposit:' || id, at FROM shops_depositentry RETURNING id, ref)
INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)
SELECT posted.id, made.id, leg.side, abs(row.amount_fen)
  FROM shops_depositentry AS row
  JOIN posted ON posted.ref = 'deposit:' || row.id
 CROSS JOIN LATERAL (VALUES ('bank:platform', CASE WHEN row.amount_fen > 0 THEN 'debit' ELSE 'credit' END),
                            ('reserve:' || row.shop_id, CASE WHEN row.amount_fen > 0 THEN 'credit' ELSE 'debit' END)
                    ) AS leg (code, side)
  JOIN made ON made.code = leg.code
"""


class Migration(migrations.Migration):
    dependencies = [("shops", "0011_clocks_in_policy"), ("ledger", "0003_chart_of_accounts")]
    operations = [migrations.RunSQL(POST, migrations.RunSQL.noop)]
