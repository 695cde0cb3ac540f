"""The heart: from a path to its score, by judges and graders."""
