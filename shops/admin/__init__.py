"""店铺与商品 on the staff desk, by subject."""

from shops.admin import applications, deposits, goods, guarantee, shop_record, shops, stock, suppliers

__all__ = ["applications", "deposits", "goods", "guarantee", "shop_record", "shops", "stock", "suppliers"]
