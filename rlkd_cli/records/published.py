"""Published data sets and benchmarks as records.

`expand` turns one row, in whatever columns it was published, into records with `id`, `problem`,
`path` …; rows
that are records already pass through. Columns were checked against the data sets' own pages.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from rlkd_cli.core.thinking import as_think, join
from rlkd_cli.errors import InputError
from rlkd_cli.records.schema import Raw

DOMAINS = {"biology": "science", "physics": "science", "chemistry": "science", "puzzles": "puzzle"}


def expand(row: Raw, mapping: dict[str, str], where: str) -> Iterator[Raw]:
    """The records that a row stands for: one, or one for each of its paths.

    `mapping` renames columns first (`{"problem": "question"}`: the field `problem` is the column
    `question`).
    """
    if mapping:
        row = rename(row, mapping, where)
    row = _published(row, where)
    if not isinstance(row.get("paths"), list):
        yield row
        return
    shared = {name: value for name, value in row.items() if name != "paths"}
    for sample, path in enumerate(row["paths"]):
        # lists that run beside `paths` (OpenR1's correctness_math_verify) are taken apart with it
        own = {
            name: value[sample]
            for name, value in shared.items()
            if name.startswith("correctness_")
            and isinstance(value, list)
            and len(value) == len(row["paths"])
        }
        yield {**shared, **own, "path": path, "sample": sample}


def rename(row: Raw, mapping: dict[str, str], where: str) -> Raw:
    """The row with columns renamed, in place; InputError where a column is missing."""
    for field, column in mapping.items():
        if column not in row:
            raise InputError(where, column, f"no such column (from --map {field}={column})")
    names = {column: field for field, column in mapping.items()}
    return {
        names.get(name, name): value
        for name, value in row.items()
        if name in names or name not in mapping
    }


def _published(row: Raw, where: str) -> Raw:
    """A row of a data set as published, as a record; any other row as it is."""
    for columns, convert in _FORMATS:
        if columns <= row.keys() and "path" not in row:
            rest = {name: value for name, value in row.items() if name not in columns}
            return {"id": _identity(row, where), **rest, **convert(row)}
    if "problem" in row and "id" not in row and _own_identity(row) is not None:
        return {"id": _own_identity(row), **row}
    return row


def _own_identity(row: Raw) -> str | int | None:
    """What a data set calls a row: OpenR1 has `uuid`, MATH-500 `unique_id`."""
    names = ("id", "uuid", "unique_id", "question_id")
    return next((row[name] for name in names if name in row), None)


def _identity(row: Raw, where: str) -> str | int:
    """A row's own name, else its number in the file."""
    own, number = _own_identity(row), where.rpartition(":")[2]
    return own if own is not None else int(number) if number.isdigit() else where


def _open_r1(row: Raw) -> Raw:
    return {"problem": row["problem"], "paths": row["generations"]}


def _open_thoughts(row: Raw) -> Raw:
    path = join(row["deepseek_reasoning"], row["deepseek_solution"])
    return {"problem": row["problem"], "path": path, **_domain(row)}


def _domain(row: Raw) -> Raw:
    domain = row.get("domain")
    return {"domain": DOMAINS.get(domain, domain)} if isinstance(domain, str) else {}


def _s1k(row: Raw) -> Raw:
    path = join(row["deepseek_thinking_trajectory"], row["deepseek_attempt"])
    return {"problem": row["question"], "path": path} | (
        {"answer": row["solution"]} if "solution" in row else {}
    )


def _limo(row: Raw) -> Raw:
    return {"problem": row["question"], "path": row["solution"], "answer": row["answer"]}


def _gsm8k(row: Raw) -> Raw:
    return {
        "problem": row["question"],
        "answer": str(row["answer"]).rpartition("####")[2].strip().replace(",", ""),
    }


def _gpqa(row: Raw) -> Raw:
    """GPQA as a question with lettered choices, shuffled by a seed of the question's own."""
    import random

    question, right = str(row["Question"]), str(row["Correct Answer"])
    choices = [right, *(str(row[f"Incorrect Answer {i}"]) for i in (1, 2, 3))]
    random.Random(question).shuffle(choices)
    lines = [f"({letter}) {choice.strip()}" for letter, choice in zip("ABCD", choices, strict=True)]
    letter = "ABCD"[choices.index(right)]
    return {
        "problem": "\n".join([question.strip(), "", *lines]),
        "answer": letter,
        "choices": [choice.strip() for choice in choices],
        "domain": "science",
    }


def _mmlu_pro(row: Raw) -> Raw:
    """MMLU-Pro's question with up to ten lettered options, in their published order."""
    choices = [str(one).strip() for one in row["options"] if str(one) != "N/A"]
    lines = [f"({letter}) {one}" for letter, one in zip("ABCDEFGHIJ", choices, strict=False)]
    return {
        "problem": "\n".join([str(row["question"]).strip(), "", *lines]),
        "answer": str(row["answer"]),
        "choices": choices,
        "domain": "math" if row.get("category") == "math" else "science",
    }


def _math_arena(row: Raw) -> Raw:
    """MathArena numbers its problems, and gives AIME's answers as numbers."""
    return {
        "id": row["problem_idx"],
        "problem": row["problem"],
        "answer": str(row["answer"]),
        "domain": "math",
    }


def _question_answer(row: Raw) -> Raw:
    """GSM8K's answer stands after `####` at the end of a solution; Minerva's stands alone."""
    answer = str(row["answer"])
    return _gsm8k(row) if "####" in answer else {"problem": row["question"], "answer": answer}


def _chat(turns: Any, role: str, content: str) -> Raw:
    """The last question and the last reply of a conversation."""
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return {"problem": None, "path": None}
    asked = [turn.get(content) for turn in turns if turn.get(role) in ("user", "human")]
    said = [turn.get(content) for turn in turns if turn.get(role) in ("assistant", "gpt")]
    path = said[-1] if said else None
    if isinstance(path, str):  # OpenThoughts' own tags for the thinking
        path = as_think(path)
        path = re.sub(r"<\|(begin|end)_of_solution\|>", "", path).strip()
    return {"problem": asked[-1] if asked else None, "path": path}


_FORMATS: list[tuple[set[str], Callable[[Raw], Raw]]] = [
    ({"problem", "generations"}, _open_r1),
    ({"problem", "deepseek_reasoning", "deepseek_solution"}, _open_thoughts),
    ({"question", "deepseek_thinking_trajectory", "deepseek_attempt"}, _s1k),
    (
        {
            "Question",
            "Correct Answer",
            "Incorrect Answer 1",
            "Incorrect Answer 2",
            "Incorrect Answer 3",
        },
        _gpqa,
    ),
    ({"question", "solution", "answer"}, _limo),
    ({"question", "options", "answer", "answer_index"}, _mmlu_pro),
    ({"problem_idx", "problem", "answer"}, _math_arena),
    ({"question", "answer"}, _question_answer),
    ({"conversations"}, lambda row: _chat(row["conversations"], "from", "value")),
    ({"messages"}, lambda row: _chat(row["messages"], "role", "content")),
]
