"""The Django site as a WSGI application, its static files served by Django itself."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")
django.setup(set_prefix=False)

from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

app = StaticFilesHandler(get_wsgi_application())
