"""A teacher of a few problems, students of every kind, and models that answer about them."""

import re
import time
from pathlib import Path

from tests.conftest import step, write
from tests.servers.scripted import Response, ScriptedServer

PROBLEMS = [f"What is c in case {i}?" for i in range(4)]
TEACHER = [
    {
        "id": f"case-{i}",
        "problem": problem,
        "answer": "7",
        "path": "so",
        "steps": [step(f"{word} of {i}", word) for word in ("ayes", "bees", "cees")],
    }
    for i, problem in enumerate(PROBLEMS)
]


def path(case: int, steps: str, answer: str = "7", tag: str = "") -> str:
    """A student's path that the scripted GSRM segments into `steps`, words of which those with a z
    are judged to be wrong.
    """
    return f"<think>case {case} [{steps}]{tag}</think> \\boxed{{{answer}}}"


def paths(count: int) -> list[tuple[int, str, float]]:
    """(case, path, total) with weights 1 and 1: every number of right steps, right and wrong
    answers.
    """
    kinds = [("aa bb cc", 3.0), ("aa bb", 2.0), ("aa zb cc", 1.0), ("za", 0.0), ("", 0.0)]
    found = []
    for i in range(count):
        words, reward = kinds[i % len(kinds)]
        answer = "7" if i % 3 else "8"
        found.append(
            (i % 4, path(i % 4, words, answer, f" try {i}"), reward + float(answer == "7"))
        )
    return found


def script(delay: float = 0.0):
    """A GSRM that reads the words in brackets, and a judge that says no to what holds a z."""

    def reply(request: dict, number: int) -> Response:
        text = request["messages"][0]["content"]
        if "yes or no" in text:
            second = text.rpartition("<second>")[2]
            return Response("no" if "z" in second else "yes", delay=delay)
        words = "".join(re.findall(r"\[(.*?)\]", text)[:1]).split()
        steps = [
            f"[Meta-reasoning {n}]: Take {w}.\n[Sub-problem {n}]: What is {w}?\n[Answer {n}]: {w}"
            for n, w in enumerate(words, start=1)
        ]
        return Response("\n".join(steps) or "There is nothing here.", delay=delay)

    return reply


def teacher_file(folder: Path = Path()) -> Path:
    return write(folder / "teacher.jsonl", TEACHER)


def options(server: ScriptedServer, folder: Path = Path(), **more: object) -> dict:
    """What `StructuredReward.open` is given: the scripted server is GSRM and judge."""
    own = {"gsrm": server.url, "judge": server.url, "structure_weight": 1.0, "outcome_weight": 1.0}
    return {"teacher": str(teacher_file(folder)), "max_retries": 0, **own, **more}


def asked(server: ScriptedServer, of: str) -> int:
    """How many of the requests went to the `judge`, or to the `gsrm`."""
    texts = [request["messages"][0]["content"] for request in list(server.requests)]
    judged = sum("yes or no" in text for text in texts)
    return judged if of == "judge" else len(texts) - judged


def hang(request: dict, number: int) -> Response:
    """A model that takes a request and never answers."""
    time.sleep(30)
    return Response(hangs_up=True)
