"""Products are found by the characters of their names, from the newest on (docs/decisions/0010)."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

SEARCH_TERMS = r"""
CREATE FUNCTION shops_search_terms(name text) RETURNS varchar(8)[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT substr(plain, place, size)), '{}')
    FROM (SELECT regexp_replace(lower(normalize(name, NFKC)), '\s', '', 'g') AS plain) AS normal,
         generate_series(1, length(plain)) AS place, (VALUES (1), (2)) AS sizes (size)
    WHERE place + size - 1 <= length(plain)
$$
"""

FILL = """
INSERT INTO shops_productterm (term, product_id)
    SELECT unnest(shops_search_terms(name)), id FROM shops_product WHERE is_listed;
"""


class Migration(migrations.Migration):
    dependencies = [("shops", "0003_records_begin")]

    operations = [
        migrations.RunSQL(SEARCH_TERMS, "DROP FUNCTION shops_search_terms"),
        migrations.CreateModel(
            name="ProductTerm",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "term", "product_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("term", models.CharField(max_length=8)),
                (
                    "product",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="shops.product",
                    ),
                ),
            ],
            options={"verbose_name": "搜索词", "verbose_name_plural": "搜索词"},
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='product_is_found_while_it_is_listed', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n                    IF TG_OP = 'UPDATE' AND NEW.name = OLD.name AND NEW.is_listed = OLD.is_listed THEN\n                        RETURN NULL;\n                    END IF;\n                    IF TG_OP <> 'INSERT' THEN\n                        DELETE FROM shops_productterm\n                            WHERE term = ANY(shops_search_terms(OLD.name)) AND product_id = OLD.id;\n                    END IF;\n                    IF TG_OP <> 'DELETE' THEN\n                        INSERT INTO shops_productterm (term, product_id)\n                            SELECT term, NEW.id FROM unnest(shops_search_terms(NEW.name)) AS term WHERE NEW.is_listed;\n                    END IF;\n                    RETURN NULL;\n                ", hash='e2453401810c5e7eedb22abcf93ff0d43b58bd15', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_product_is_found_while_it_is_listed_4bb4e', table='shops_product', when='AFTER')),
        ),
    ]
