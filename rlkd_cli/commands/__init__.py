"""The commands, one file each, with its `Options` and its `run`.

Every `run` does the same: check the options and inputs, open models, run, show the result. `rlkd
--help` prints the sentences below; the docstring of `run` is added in the help of the command.
"""

COMMANDS: dict[str, str] = {
    "sample": "Sample N reasoning paths for each problem from a model (RLKD, 4.3).",
    "segment": "Turn reasoning paths into steps; a verifier checks them (RLKD, 3.1).",
    "train-gsrm": "Train a segmenting model by Structured Fine-grained Training (RLKD, 3.1).",
    "score": "Compute the structured reward of student paths (RLKD, Algorithm 1).",
    "distill": "Train a student: GRPO with the structured reward (RLKD, 3.2), or a baseline.",
    "serve": "Answer other trainers' requests for the structured reward (RLKD, Algorithm 1).",
    "eval": "Grade final answers and report pass@1 and pass@k (RLKD, 4.1, Table 1).",
    "diversity": "Measure how much a model's paths differ at each step (RLKD, 4.3, Figure 5).",
    "capability": "Compare accuracy and capability before and after training (2505.14216).",
    "select": "Choose the problems least similar to a test set (RLKD, 4.3).",
    "merge": "Put together the parts that a job array has made of one output.",
}
