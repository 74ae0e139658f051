"""What the library keeps."""

from django.db import models


class Book(models.Model):
    """A book, as the admin edits it."""

    title = models.CharField(max_length=200)
    pages = models.PositiveIntegerField(default=0)
    cover = models.FileField(upload_to="covers", blank=True)

    def __str__(self) -> str:
        return self.title
