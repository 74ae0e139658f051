"""What the shop has. Rust reads the same file."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Product:
    name: str
    cents: int
    stock: int

    @property
    def price(self) -> str:
        return f"{self.cents // 100}.{self.cents % 100:02}"


_FILE = Path(__file__).resolve().parent.parent / "products.json"

PRODUCTS = {
    int(number): Product(**fields)
    for number, fields in json.loads(_FILE.read_text("utf-8")).items()
}
