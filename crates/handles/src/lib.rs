//! Handles: integers that stand for objects across a language boundary.
