"""Everything that comes from outside becomes a value here, or one sentence saying why not."""
