"""A Django site: the contract's views, the admin with one model, sessions, static files."""
