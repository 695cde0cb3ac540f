"""Published data sets and benchmarks as records: a row of the table a data set.

`expand` turns one row, in whatever columns it was published, into records with `id`, `problem`,
`path` …; rows that are records already pass through. A row is known by its columns, the first of
the table that fits.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rlkd_cli.core.thinking import join
from rlkd_cli.errors import InputError
from rlkd_cli.records.chat import chat
from rlkd_cli.records.schema import Raw

DOMAINS = {
    **{domain: domain for domain in ("math", "code", "science", "puzzle")},
    **dict.fromkeys(("biology", "physics", "chemistry", "scientific-qa"), "science"),
    **{"puzzles": "puzzle", "coding": "code", "programming": "code"},
}
# What data sets call a row, where it is not `id`
IDS = ("uuid", "unique_id", "question_id", "problem_id", "task_id", "Record ID")
FINISHES = ("stop", "length")


@dataclass(frozen=True)
class Layout:
    """How a data set is published: `columns` tell it, `convert` makes the record's own fields of
    them.

    The other columns pass through, but for `spent`, which the record's fields say in full.
    """

    name: str
    columns: tuple[str, ...]
    convert: Callable[[Raw], Raw]
    spent: tuple[str, ...] = field(default=())

    def fits(self, row: Raw) -> bool:
        return all(column in row for column in self.columns)


def expand(
    row: Raw, mapping: dict[str, str], where: str, of_problem: bool = False
) -> Iterator[Raw]:
    """The records that a row stands for: one, or one for each of its paths.

    `mapping` renames columns first (`{"problem": "question"}`: the field `problem` is the column
    `question`). With `of_problem` a row is its problem, once, however many paths it holds.
    InputError where a column is missing, or a list of paths is empty.
    """
    record = _published(rename(row, mapping, where) if mapping else row)
    paths = record.get("paths")
    if of_problem or not isinstance(paths, list):
        yield record if not of_problem else {k: v for k, v in record.items() if k != "paths"}
        return
    if not paths:
        raise InputError(where, "paths", "holds no path")
    shared = {name: value for name, value in record.items() if name != "paths"}
    for sample, path in enumerate(paths):
        yield {**shared, **_own(shared, sample, len(paths)), "path": path, "sample": sample}


def _own(shared: Raw, sample: int, count: int) -> Raw:
    """What lists beside `paths` say of one of them: OpenR1's finish_reasons, correctness_…"""
    return {
        name: value[sample]
        for name, value in shared.items()
        if name.startswith(("correctness_", "finish_reason", "is_reasoning_"))
        and isinstance(value, list)
        and len(value) == count
    }


def rename(row: Raw, mapping: dict[str, str], where: str) -> Raw:
    """The row with columns renamed, in place; InputError where a column is missing."""
    for name, column in mapping.items():
        if column not in row:
            raise InputError(where, column, f"no such column (from --map {name}={column})")
    names = {column: name for name, column in mapping.items()}
    return {
        names.get(name, name): value
        for name, value in row.items()
        if name in names or name not in mapping
    }


def _published(row: Raw) -> Raw:
    """A row of a data set as published, as a record; any other row as it is."""
    found = row if row.get("path") is not None else _converted(row)
    if found.get("id") is None:
        own = next((row[name] for name in IDS if isinstance(row.get(name), str | int)), None)
        rest = {name: value for name, value in found.items() if name != "id"}
        return rest if own is None else {"id": own, **rest}
    return found


def _converted(row: Raw) -> Raw:
    """A row by the first layout that fits it, its columns replaced by a record's fields."""
    for layout in LAYOUTS:
        if layout.fits(row):
            own = layout.convert(row)
            gone = {*layout.columns, *layout.spent, *own}
            rest = {name: value for name, value in row.items() if name not in gone}
            return {"id": row["id"], **own, **rest} if "id" in row else {**own, **rest}
    return row


def _text(row: Raw, thinking: str, answer: str) -> str | None:
    """A path of two columns, either of which may be null; None where both are."""
    parts = [row[name] if row.get(name) is not None else "" for name in (thinking, answer)]
    if not all(isinstance(part, str) for part in parts):
        return None
    return join(*parts) or None


def _domain(row: Raw) -> Raw:
    """The domain, where it is one of the four; a data set's further ones are left out."""
    return {"domain": DOMAINS.get(str(row.get("domain")))} if "domain" in row else {}


def _open_r1(row: Raw) -> Raw:
    paths, reasons = row["generations"], row.get("finish_reasons")
    found: Raw = {"problem": row["problem"], "paths": paths}
    if isinstance(paths, list) and isinstance(reasons, list) and len(reasons) == len(paths):
        found["finish_reason"] = [r if r in FINISHES else None for r in reasons]
    return found


def _open_thoughts(row: Raw) -> Raw:
    path = _text(row, "deepseek_reasoning", "deepseek_solution")
    return {"problem": row["problem"], "path": path, **_domain(row)}


def _s1k(row: Raw) -> Raw:
    path = _text(row, "deepseek_thinking_trajectory", "deepseek_attempt")
    answer = {"answer": row["solution"]} if "solution" in row else {}
    return {"problem": row["question"], "path": path, **answer}


def _limo(row: Raw) -> Raw:
    return {"problem": row["question"], "path": row["solution"], "answer": row["answer"]}


def _deep_math(row: Raw) -> Raw:
    paths = [row.get(f"r1_solution_{number}") for number in (1, 2, 3)]
    kept = [path for path in paths if path is not None]
    return {"problem": row["question"], "answer": row["final_answer"], "paths": kept}


def _open_math(row: Raw) -> Raw:
    found = {"problem": row["problem"], "path": row["generated_solution"]}
    return {**found, "answer": row.get("expected_answer")}


def _nemotron_math(row: Raw) -> Raw:
    path = chat(row["messages"], "role", "content")["path"]
    return {"problem": row["problem"], "path": path, "answer": row["expected_answer"]}


def _superior(row: Raw) -> Raw:
    return {"problem": row["input"], "path": row["output"], **_domain(row)}


def _code_bench(row: Raw) -> Raw:
    starter = row.get("starter_code")
    more = f"\n\nStart from:\n```\n{starter}\n```" if starter else ""
    return {"problem": f"{row['question_content']}{more}", "domain": "code"}


def _gsm8k(row: Raw) -> Raw:
    """A question and its answer; GSM8K writes the solution first, and the number after `####`."""
    answer = row["answer"]
    if isinstance(answer, str) and "####" in answer:
        answer = answer.rpartition("####")[2].strip().replace(",", "")
    return {"problem": row["question"], "answer": answer}


def _gpqa(row: Raw) -> Raw:
    """GPQA as a question with lettered choices, shuffled by a seed of the question's own."""
    question, right = str(row["Question"]), str(row["Correct Answer"])
    choices = [right, *(str(row[name]) for name in _WRONG)]
    random.Random(question).shuffle(choices)
    lines = [f"({letter}) {choice.strip()}" for letter, choice in zip("ABCD", choices, strict=True)]
    problem = "\n".join([question.strip(), "", *lines])
    answer, texts = "ABCD"[choices.index(right)], [choice.strip() for choice in choices]
    return {"problem": problem, "answer": answer, "choices": texts, "domain": "science"}


def _mmlu_pro(row: Raw) -> Raw:
    """MMLU-Pro's question with up to ten lettered options, in their published order."""
    choices = [str(one).strip() for one in row["options"] if str(one) != "N/A"]
    lines = [f"({letter}) {one}" for letter, one in zip("ABCDEFGHIJ", choices, strict=False)]
    problem = "\n".join([str(row["question"]).strip(), "", *lines])
    domain = "math" if row.get("category") == "math" else "science"
    return {"problem": problem, "answer": str(row["answer"]), "choices": choices, "domain": domain}


def _math_arena(row: Raw) -> Raw:
    """MathArena numbers its problems, and gives AIME's answers as numbers."""
    answer = str(row["answer"])
    return {"id": row["problem_idx"], "problem": row["problem"], "answer": answer}


def _conversation(row: Raw) -> Raw:
    turns = row["conversations"]
    is_chat = isinstance(turns, list) and any(isinstance(t, dict) and "role" in t for t in turns)
    return {**chat(turns, *(("role", "content") if is_chat else ("from", "value"))), **_domain(row)}


def _messages(row: Raw) -> Raw:
    stated = {name: row[name] for name in ("problem", "answer") if row.get(name) is not None}
    return {**chat(row["messages"], "role", "content"), **_domain(row), **stated}


_WRONG = tuple(f"Incorrect Answer {number}" for number in (1, 2, 3))
_NEMOTRON = ("problem", "messages", "expected_answer")

LAYOUTS: tuple[Layout, ...] = (
    Layout("OpenR1-Math-220k", ("problem", "generations"), _open_r1, ("finish_reasons",)),
    Layout(
        "OpenThoughts-114k",
        ("problem", "deepseek_reasoning"),
        _open_thoughts,
        ("deepseek_solution",),
    ),
    Layout("s1K-1.1", ("question", "deepseek_thinking_trajectory", "deepseek_attempt"), _s1k),
    Layout("GPQA", ("Question", "Correct Answer", *_WRONG), _gpqa),
    Layout(
        "DeepMath-103K",
        ("question", "final_answer", "r1_solution_1"),
        _deep_math,
        ("r1_solution_2", "r1_solution_3"),
    ),
    Layout(
        "OpenMathReasoning", ("problem", "generated_solution"), _open_math, ("expected_answer",)
    ),
    Layout("Nemotron-Math-v2", _NEMOTRON, _nemotron_math),
    Layout("Superior-Reasoning-SFT", ("input", "output", "domain"), _superior),
    Layout("LiveCodeBench", ("question_content",), _code_bench),
    Layout("MMLU-Pro", ("question", "options", "answer", "answer_index"), _mmlu_pro),
    Layout("MathArena", ("problem_idx", "problem", "answer"), _math_arena),
    Layout("LIMO", ("question", "solution", "answer"), _limo),
    Layout("GSM8K", ("question", "answer"), _gsm8k),
    Layout("OpenThoughts, conversations; OpenThoughts3-1.2M", ("conversations",), _conversation),
    Layout("chat; AM-DeepSeek-R1-Distilled", ("messages",), _messages),
)
