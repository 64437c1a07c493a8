"""The public operations, thin and typed: who may, then the engine. Importing a module registers its operations."""
