"""The command `oxbridge`, its options, and how it finds the application."""
