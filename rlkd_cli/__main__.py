"""`python -m rlkd_cli`."""

from rlkd_cli.cli import run

if __name__ == "__main__":
    run()
