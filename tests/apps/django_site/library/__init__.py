"""An application of the site with one model."""
