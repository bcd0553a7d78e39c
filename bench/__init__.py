"""Speed and cost, as ratios within one run: `make bench`. Absolute figures say more about the machine than about us."""
