"""How long edits take and what they hold in memory, each a ratio to a peer in the same run."""
