"""Outcome grading: answers that text does not decide are compared by algebra that cannot hang."""

from rlkd_cli.reward.grading.grader import Grader

__all__ = ["Grader"]
