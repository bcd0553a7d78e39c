"""商家接口: keys with which a shop's own programs read it, and webhooks that tell them of its refunds."""
