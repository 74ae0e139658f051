"""What is still Django's. /api/prices/<id> was here as well, and is Rust's now."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("products/<int:number>/", views.product, name="product"),
    path("basket/", views.basket, name="basket"),
    path("api/stock/<int:number>", views.stock, name="stock"),
]
