"""A Django site in one file (WSGI): `oxbridge serve django_app`.

A project as Django makes it is served by `oxbridge serve mysite.wsgi`, or, with
`oxbridge.contrib.django` among its INSTALLED_APPS, by `python manage.py oxbridge`.
"""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for this example only",
)


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello from Django.\n", content_type="text/plain")


def client(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"address": request.META["REMOTE_ADDR"], "secure": request.is_secure()})


urlpatterns = [path("", index), path("client", client)]

application = get_wsgi_application()
