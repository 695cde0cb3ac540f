"""What trains: torch and trl, imported when a training command runs and not before."""
