"""The loaded networks, and everything that makes them out of files."""
