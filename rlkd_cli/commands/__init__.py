"""The commands: a file each, with its `Options` and `run`: options -> check -> open -> run -> show.

Each stands here with the sentence that `rlkd --help` shows; more stands in the docstring of its `run`.
"""

COMMANDS: dict[str, str] = {
    "sample": "Draw reasoning paths from a model: N for each problem (RLKD, 4.3).",
    "segment": "Turn reasoning paths into steps: a model writes them, a verifier checks them (RLKD, 3.1).",
    "train-gsrm": "Train a segmenting model by Structured Fine-grained Training (RLKD, 3.1, equation 1).",
    "score": "Reward student steps by how they follow the teacher's: the structured reward (RLKD, Algorithm 1).",
    "distill": "Train a student: GRPO with the structured reward (RLKD, 3.2), or one of its baselines.",
    "eval": "Grade final answers and report pass@1 and pass@k (RLKD, 4.1, Table 1).",
    "diversity": "Measure how far a model's paths differ at each step (RLKD, 4.3, Figure 5).",
    "capability": "Tell accuracy from capability: what training gained and lost, by difficulty (2505.14216).",
    "select": "Choose the records least like a test set, by embedding (RLKD, 4.3).",
}
