"""Where the site's views are."""

from django.contrib import admin
from django.urls import path

from django_site import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("json", views.json, name="json"),
    path("path/<str:value>/end", views.path),
    path("query", views.query),
    path("form", views.form),
    path("multipart", views.multipart),
    path("cookies/set", views.set_cookies),
    path("cookies", views.cookies),
    path("stream", views.stream),
    path("file", views.file),
    path("upload", views.upload),
    path("large", views.large),
    path("redirect", views.moved),
    path("error", views.error),
    path("error/late", views.late_error),
    path("headers", views.headers),
    path("options", views.options),
    path("where", views.where),
    path("empty", views.empty),
    path("events", views.events),
    path("events/next", views.let_next_event),
    path("endless", views.endless),
    path("left", views.has_left),
    path("visits", views.visits),
    path("async", views.asynchronous),
]
