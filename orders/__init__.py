"""What was bought: placed, paid, delivered, completed or canceled."""
