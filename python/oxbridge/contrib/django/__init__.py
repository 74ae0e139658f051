"""The Django application `oxbridge.contrib.django`: `manage.py oxbridge` serves the project."""
