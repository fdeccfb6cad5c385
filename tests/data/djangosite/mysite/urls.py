"""Addresses of the project."""

from django.contrib import admin
from django.urls import path
from library import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("books.csv", views.export),
    path("cover/<int:number>", views.cover),
    path("upload", views.upload),
    path("broken", views.broken),
    path("numbers", views.numbers),
]
