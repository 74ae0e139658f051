"""What tests of liboxbridge_embed may ask for."""

from __future__ import annotations

from embedding import embed_prefix

from cbuild import c_prefix, pytest_collection_modifyitems

__all__ = ["c_prefix", "embed_prefix", "pytest_collection_modifyitems"]
