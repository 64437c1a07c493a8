"""The control plane: HTTP, in a process of its own."""
