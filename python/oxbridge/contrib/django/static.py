"""The project's application with the files of `django.contrib.staticfiles`, for development.

`manage.py oxbridge` names these functions as factories, so that workers can make it themselves.
"""

from __future__ import annotations

from typing import Any


def wsgi() -> Any:
    """Make the WSGI application of the settings, with static files in front."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.core.servers.basehttp import get_internal_wsgi_application

    return StaticFilesHandler(get_internal_wsgi_application())


def asgi() -> Any:
    """Make the ASGI application of the settings, with static files in front."""
    from django.conf import settings
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    from django.core.asgi import get_asgi_application
    from django.utils.module_loading import import_string

    named = getattr(settings, "ASGI_APPLICATION", None)
    app = import_string(named) if named else get_asgi_application()
    return ASGIStaticFilesHandler(app)
