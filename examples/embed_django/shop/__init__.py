"""A small shop, as a Django site."""
