"""What one person gives alone in a day counts in the limit of a compensation."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0021_made_at_once'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='compensation',
            name='compensation_begins_rightly',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='compensation',
            trigger=pgtrigger.compiler.Trigger(name='compensation_begins_rightly', sql=pgtrigger.compiler.UpsertTriggerSql(func="\nSELECT policy.senior_above_fen INTO NEW.limit_fen FROM orders_order AS placed\n  JOIN shops_refundpolicy AS policy ON policy.id = placed.policy_id WHERE placed.id = NEW.order_id;\nSELECT coalesce(sum(amount_fen), 0) INTO NEW.earlier_fen FROM orders_compensation\n WHERE order_id = NEW.order_id AND refused_at IS NULL;\nPERFORM pg_advisory_xact_lock(4904, NEW.made_by_id::int);  -- what is given at once is counted, too\nNEW.limit_fen := least(NEW.limit_fen, NEW.earlier_fen + greatest(0, 200000 - (\n    SELECT coalesce(sum(amount_fen), 0) FROM orders_compensation\n     WHERE made_by_id = NEW.made_by_id AND checked_by_id IS NULL AND paid_at > NEW.made_at - interval '24 hours')));\nIF NOT EXISTS (SELECT FROM orders_order AS placed JOIN accounts_user AS buyer ON buyer.id = placed.buyer_id\n                WHERE placed.id = NEW.order_id AND buyer.id = NEW.buyer_id AND NOT buyer.is_guest) THEN\n    RAISE EXCEPTION 'compensation goes to the balance of the buyer of the order' USING ERRCODE = 'check_violation';\nEND IF;\nIF NEW.refund_no <> '' AND NOT EXISTS (\n    SELECT FROM refunds_refund WHERE refund_no = NEW.refund_no AND order_id = NEW.order_id\n) THEN\n    RAISE EXCEPTION 'refund % is not of this order', NEW.refund_no USING ERRCODE = 'check_violation';\nEND IF;\nIF NEW.paid_at IS NOT NULL OR NEW.refused_at IS NOT NULL THEN\n    RAISE EXCEPTION 'compensation is decided after it is written' USING ERRCODE = 'check_violation';\nEND IF;\nRETURN NEW;\n", hash='74601488e0d50fb0e195f374b782ceb1a0da432b', operation='INSERT', pgid='pgtrigger_compensation_begins_rightly_bb400', table='orders_compensation', when='BEFORE')),
        ),
    ]
