"""Structured Fine-grained Training (RLKD, section 3.1)."""
