"""What every method stands on: one loop, three seams, the loaded networks."""
