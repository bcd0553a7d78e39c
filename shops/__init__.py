"""What is for sale: shops, products, policies, card codes."""
