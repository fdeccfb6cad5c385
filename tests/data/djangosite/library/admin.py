"""Books in the admin."""

from django.contrib import admin

from library.models import Book


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """List with columns, filter and search."""

    list_display = ("title", "author", "published")
    list_filter = ("author",)
    search_fields = ("title", "author")
    date_hierarchy = "published"
