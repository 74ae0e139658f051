"""Parts for frameworks that are not needed otherwise."""
