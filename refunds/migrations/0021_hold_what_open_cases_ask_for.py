"""Money of the shops is held for the cases that are open, and the fees of those that were paid are posted.

What a channel has paid already, although its case has not heard of it yet, was taken from the shop then: of such a case
only the fee is left to hold. What came back although its case has not heard of it yet went to the shop, and is held.

The trigger that sums up each posting is off meanwhile, and the sums are looked at once at the end: deferred, it would
cost the square of the number of entries.
"""

from django.db import migrations

OPEN = """
SELECT refund.refund_no, refund.shop_id, refund.fee_fen + CASE WHEN EXISTS (
         SELECT FROM refunds_disbursement AS sent JOIN payments_refundattempt AS attempt ON attempt.id = sent.attempt_id
          WHERE sent.refund_id = refund.id AND attempt.status = 'succeeded'
       ) THEN 0 ELSE refund.amount_fen END AS fen
  FROM refunds_refund AS refund
 WHERE refund.status IN ('submitted', 'merchant_review', 'offered', 'first_review', 'awaiting_evidence',
                         'second_review', 'appeal_review', 'approved', 'processing', 'returned', 'redirect_signed')
"""
PAID = """
SELECT refund_no, shop_id, fee_fen AS fen FROM refunds_refund WHERE status IN ('paid_out', 'arrived')
"""
CAME_BACK = """
SELECT refund.refund_no, refund.shop_id, refund.amount_fen AS fen FROM refunds_refund AS refund
 WHERE refund.status IN ('paid_out', 'arrived')
   AND EXISTS (SELECT FROM refunds_disbursement AS sent WHERE sent.refund_id = refund.id)
   AND NOT EXISTS (SELECT FROM refunds_balancecredit AS credit WHERE credit.refund_id = refund.id)
   AND NOT EXISTS (SELECT FROM refunds_disbursement AS sent
                     JOIN payments_refundattempt AS attempt ON attempt.id = sent.attempt_id
                    WHERE sent.refund_id = refund.id AND attempt.status = 'succeeded')
"""
POST = """
WITH due AS MATERIALIZED (SELECT * FROM ({cases}) AS cases WHERE fen > 0),
     wanted AS (SELECT 'shop:' || shop_id AS code, 'shop' AS kind FROM due
                UNION SELECT {credit}, '{kind}' FROM due),
     made AS (INSERT INTO ledger_account (code, kind) SELECT code, kind FROM wanted
              ON CONFLICT (code) DO UPDATE SET code = EXCLUDED.code RETURNING id, code),
     posted AS (INSERT INTO ledger_posting (ref, posted_at)
                SELECT '{word}:' || refund_no || ':0', now() FROM due
                ON CONFLICT (ref) DO NOTHING RETURNING id, ref),
     legs AS (SELECT posted.id AS posting_id, leg.code, leg.side, due.fen
                FROM due JOIN posted ON posted.ref = '{word}:' || due.refund_no || ':0'
               CROSS JOIN LATERAL (VALUES ('shop:' || due.shop_id, 'debit'), ({credit}, 'credit')) AS leg (code, side))
INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)
SELECT legs.posting_id, made.id, legs.side, legs.fen FROM legs JOIN made USING (code)
"""


SUMS = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM ledger_entry JOIN ledger_posting AS posting ON posting.id = posting_id
              WHERE posting.ref ~ '^(hold|fee):.*:0$' GROUP BY posting_id
             HAVING sum(CASE side WHEN 'debit' THEN amount_fen ELSE -amount_fen END) <> 0) THEN
    RAISE EXCEPTION 'a posting does not sum to zero';
  END IF;
END $$
"""
TRIGGER = "pgtrigger_posting_sums_to_zero_d999f"


def hold(apps, schema_editor):
    run = schema_editor.execute
    run("ANALYZE refunds_refund")
    run(f"ALTER TABLE ledger_entry DISABLE TRIGGER {TRIGGER}")
    _post(run)
    run("SET CONSTRAINTS ALL IMMEDIATE")
    run(SUMS)
    run(f"ALTER TABLE ledger_entry ENABLE TRIGGER {TRIGGER}")


def _post(run):
    run(POST.format(cases=OPEN, word="hold", credit="'held:' || shop_id", kind="held"))
    run(POST.format(cases=CAME_BACK, word="hold", credit="'held:' || shop_id", kind="held"))
    run(POST.format(cases=PAID, word="fee", credit="'fees:platform'", kind="fees"))
    run(
        "UPDATE refunds_refund SET held_fen = amount_fen + fee_fen WHERE status IN ('submitted', 'merchant_review',"
        " 'offered', 'first_review', 'awaiting_evidence', 'second_review', 'appeal_review', 'approved', 'processing',"
        " 'returned', 'redirect_signed')"
    )


class Migration(migrations.Migration):
    dependencies = [("refunds", "0020_cases_hold_money"), ("ledger", "0003_chart_of_accounts")]
    operations = [migrations.RunPython(hold, migrations.RunPython.noop)]
