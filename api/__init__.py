"""REST over the same functions as the pages."""
