"""Columns as clients send them -> the types in which they are staged, and which of their rows are at fault."""
