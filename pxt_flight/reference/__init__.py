"""Projections of the registry: reference pages, TypeScript, the Python client's methods, lists. `make docs` writes them; tests compare."""
