"""`oxbridge cache`: looking at the nodes of a cache."""
