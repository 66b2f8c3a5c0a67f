"""The routes."""

from django.urls import path

from allocation import views

urlpatterns = [
    path("v1/allocations", views.allocate),
    path("eligible", views.eligible),
]
