"""The table of books."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes the table."""

    initial = True
    operations = (
        migrations.CreateModel(
            name="Book",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False)),
                ("title", models.CharField(max_length=200)),
                ("pages", models.PositiveIntegerField(default=0)),
                ("cover", models.FileField(blank=True, upload_to="covers")),
            ],
        ),
    )
