"""JSONL in and out: what a record is, how it is read, checked, written and kept."""
