"""One file per tab: what a person gives on the left, what comes of it on the right."""
