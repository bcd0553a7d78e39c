"""What is for sale: shops, products, policies, the codes in stock and their record, suppliers."""

from shops.models.code import CardCode, CodeEvent, CodeEventKind, CodeState
from shops.models.policy import RefundPolicy
from shops.models.product import (
    HIGHEST_PRICE_FEN,
    Category,
    Coupon,
    CouponKind,
    Fulfilment,
    Product,
    ProductKind,
    ProductTerm,
    RecipientKind,
)
from shops.models.shop import (
    ApplicationDocument,
    ApplicationStatus,
    DepositEntry,
    DepositReturn,
    GuaranteeTerms,
    ReturnStatus,
    Shop,
    ShopApplication,
    ShopEvent,
    ShopFigures,
    ShopMember,
    ShopRole,
    ShopStatus,
)
from shops.models.stock_import import ImportStatus, StagedCode, StagedFile, StockImport
from shops.models.supplier import Supplier, SupplierAnswer

__all__ = [
    "HIGHEST_PRICE_FEN", "ApplicationDocument", "ApplicationStatus", "CardCode", "Category", "CodeEvent",
    "CodeEventKind", "CodeState", "Coupon", "CouponKind", "DepositEntry", "DepositReturn", "Fulfilment",
    "GuaranteeTerms", "ImportStatus", "Product", "ProductKind", "ProductTerm", "RecipientKind", "RefundPolicy",
    "ReturnStatus", "Shop", "ShopApplication", "ShopEvent", "ShopFigures", "ShopMember", "ShopRole", "ShopStatus",
    "StagedCode", "StagedFile", "StockImport", "Supplier", "SupplierAnswer",
]  # fmt: skip
