"""The papers as pure functions: the standard library and numpy only."""
