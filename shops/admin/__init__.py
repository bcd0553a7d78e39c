"""店铺与商品 on the staff desk, by subject."""

from shops.admin import applications, goods, shops, stock, suppliers

__all__ = ["applications", "goods", "shops", "stock", "suppliers"]
