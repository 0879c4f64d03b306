"""Who may come in, and what they may have: the guard in front of the page."""
