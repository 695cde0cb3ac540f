"""rlkd: distil how a teacher chooses its sub-problems, not its words."""

__version__ = "0.4.0"
