"""Tests, and what they run on. A package, so that no other `tests` on the path is taken for it."""
