"""Records that cannot be changed unseen: hash chains, and the signed root of each day."""
