"""What the library holds."""

from django.db import models


class Book(models.Model):
    """One book, with a picture of its cover or without."""

    title = models.CharField(max_length=200)
    author = models.CharField(max_length=100)
    published = models.DateField()
    cover = models.FileField(upload_to="covers", blank=True)

    class Meta:
        """Order of lists."""

        ordering = ("title",)

    def __str__(self) -> str:
        return f"{self.title} by {self.author}"
