"""The C libraries, for the paths in C."""

from cbuild import c_prefix, compile_c, pytest_collection_modifyitems

__all__ = ["c_prefix", "compile_c", "pytest_collection_modifyitems"]
