"""The fees of what shops' own merchant accounts took (自带商户号) were posted as the platform's, which never had them.

Each is reversed, by the case that stands paid now, and stays the shop's; a second run finds nothing. What came back had
been given back already. docs/decisions/0022-chart-of-accounts.md.
"""

from django.db import migrations

POST = """
WITH wrong AS MATERIALIZED (
       SELECT posting.id, substr(posting.ref, 5) AS number, refund.shop_id, refund.fee_fen AS fen
         FROM refunds_refund AS refund
         JOIN payments_payment AS payment ON payment.id = refund.payment_id
         JOIN payments_channelaccount AS account ON account.id = payment.account_id AND account.shop_id IS NOT NULL
        CROSS JOIN LATERAL (SELECT id, ref FROM ledger_posting WHERE ref LIKE 'fee:' || refund.refund_no || ':%'
                             ORDER BY id DESC LIMIT 1) AS posting
        WHERE refund.status IN ('paid_out', 'arrived') AND refund.fee_fen > 0
          AND NOT EXISTS (SELECT FROM ledger_posting AS back WHERE back.reverses_id = posting.id)),
     due AS (SELECT 'fee_back:' || number AS ref, id AS reverses_id, 'fees:platform' AS debit,
                    'held:' || shop_id AS credit, fen FROM wrong
             UNION ALL
             SELECT 'fee_kept:' || number, NULL, 'held:' || shop_id, 'shop:' || shop_id, fen FROM wrong),
     posted AS (INSERT INTO ledger_posting (ref, posted_at, reverses_id) SELECT ref, now(), reverses_id FROM due
                RETURNING id, ref)
INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)
SELECT posted.id, account.id, leg.side, due.fen
  FROM due JOIN posted USING (ref)
 CROSS JOIN LATERAL (VALUES (due.debit, 'debit'), (due.credit, 'credit')) AS leg (code, side)
  JOIN ledger_account AS account ON account.code = leg.code
"""


class Migration(migrations.Migration):
    dependencies = [
        ("refunds", "0029_lines_name_what_paid_them"),
        ("payments", "0013_what_the_bank_paid_is_recorded"),
        ("ledger", "0006_made_at_once"),
    ]
    operations = [migrations.RunSQL(POST, migrations.RunSQL.noop)]
