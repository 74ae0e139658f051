"""The Django site as an ASGI application, its static files served by Django itself."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")
django.setup(set_prefix=False)

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402

app = ASGIStaticFilesHandler(get_asgi_application())
