"""Money in and out through the channels."""
