"""A Django project with its admin: settings, addresses, entry."""
