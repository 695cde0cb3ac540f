"""Grades that deserve a look: pairs of answers that only one way of comparing accepts."""

from collections.abc import Iterable

from rlkd_cli.records.schema import Raw
from rlkd_cli.reward.grading.grader import Grader


async def doubtful(records: Iterable[Raw], grader: Grader) -> list[Raw]:
    """The graded paths whose prediction exactly one of text, numbers and algebra accepts.

    Each with `id`, `sample`, `answer`, `prediction`, `verdict`, `reason` and `accepted_by`. A pair
    stands once, however many paths end in it; the same characters on both sides are no doubt.
    """
    found: dict[tuple[str, str], Raw] = {}
    for record in records:
        prediction, answer = record.get("prediction"), str(record.get("answer", ""))
        if not isinstance(prediction, str) or prediction.strip() == answer.strip():
            continue
        if (prediction, answer) in found:
            continue
        opinions = await grader.opinions(prediction, answer)
        accepting = [name for name, accepts in opinions._asdict().items() if accepts]
        if len(accepting) == 1:
            found[prediction, answer] = {
                "id": record.get("id"),
                "sample": record.get("sample", 0),
                "answer": answer,
                "prediction": prediction,
                "verdict": record.get("verdict"),
                "reason": record.get("reason", ""),
                "accepted_by": accepting[0],
            }
    return list(found.values())
