"""The pages of the shop."""

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from .catalogue import PRODUCTS, Product


class Order(forms.Form):
    count = forms.IntegerField(min_value=1, max_value=99, initial=1, label="How many?")


def found(number: int) -> Product:
    try:
        return PRODUCTS[number]
    except KeyError:
        raise Http404(f"there is no product {number}") from None


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "index.html", {"products": PRODUCTS.items()})


@require_http_methods(["GET", "HEAD", "POST"])
def product(request: HttpRequest, number: int) -> HttpResponse:
    """Show a product, and put it into the basket if the form says so."""
    wanted = found(number)
    order = Order(request.POST or None)
    if request.method == "POST" and order.is_valid():
        # A session's keys are text: it is kept as JSON.
        basket = request.session.get("basket", {})
        basket[str(number)] = order.cleaned_data["count"]
        request.session["basket"] = basket
        return redirect("basket")
    return render(request, "product.html", {"product": wanted, "order": order})


@require_safe
def basket(request: HttpRequest) -> HttpResponse:
    kept = request.session.get("basket", {}).items()
    # The shop may have changed since the cookie was made.
    lines = [(PRODUCTS[int(n)], count) for n, count in kept if int(n) in PRODUCTS]
    total = Product("", sum(product.cents * count for product, count in lines), 0)
    return render(request, "basket.html", {"lines": lines, "total": total.price})


@require_safe
def stock(request: HttpRequest, number: int) -> HttpResponse:
    return JsonResponse({"id": number, "stock": found(number).stock})
