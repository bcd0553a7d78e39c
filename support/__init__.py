"""客服: tickets, an assistant that answers from the record, complaints against shops, and "is this really you?"."""
