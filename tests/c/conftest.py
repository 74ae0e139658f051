"""What tests of the C libraries may ask for."""

from __future__ import annotations

from cbuild import c_prefix, compile_c, pytest_collection_modifyitems

__all__ = ["c_prefix", "compile_c", "pytest_collection_modifyitems"]
