"""Frozen entities and pure rules; nothing here does I/O or reads a clock of its own."""
