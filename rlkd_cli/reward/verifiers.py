"""verifiers and prime-rl: `rlkd_cli.reward.verifiers:structured` as a task's reward function.

Version 0.4 (`verifiers.v1`) plugs it into a task by its path, and an error leaves the rollout
without a reward. The older `Rubric` is given `rubric`: it takes an exception for 0, which
`NoReward` is none of.
"""

from typing import Any

from rlkd_cli.errors import MissingReward
from rlkd_cli.reward.peers import configured, parts_of, total_of
from rlkd_cli.reward.texts import completion_text, labelled, named


class NoReward(BaseException):
    """A reward that could not be had, for a caller that would take an Exception for 0."""


async def structured(task: Any, trace: Any) -> float:
    """The total reward of what the model wrote in a trace; the parts become metrics of the trace.

    The problem is named by the task's `id`, `label` or `problem`, else by its prompt.
    MissingReward where it could not be had.
    """
    row = {name: getattr(task, name, None) for name in ("id", "label", "problem", "question")}
    record = await configured().score(_reply(trace), **named(row, _prompt(task.prompt)))
    total = total_of(record)
    for name, value in parts_of(record).items():
        trace.record_metric(f"{name}_reward", value)
    return total


async def rubric(
    completion: Any, prompt: Any = None, info: Any = None, answer: Any = None, **more: Any
) -> float:
    """The total reward for a `Rubric`, by `id` or `problem` in `info`, or by the prompt.

    NoReward where it could not be had, which ends the run: a `Rubric` has no missing reward.
    """
    row = labelled(answer, info)
    record = await configured().score(completion_text(completion), **named(row, prompt))
    try:
        return total_of(record)
    except MissingReward as error:
        raise NoReward(str(error)) from None


def _reply(trace: Any) -> str | None:
    """What the model wrote, with the thinking that stands apart from it."""
    messages = trace.assistant_messages
    if not messages:
        return str(trace.last_reply)
    dumped = [one.model_dump() if hasattr(one, "model_dump") else dict(one) for one in messages]
    return completion_text(dumped)


def _prompt(prompt: Any) -> Any:
    """A prompt whose messages are objects as dictionaries."""
    if prompt is None or isinstance(prompt, str):
        return prompt
    return [one.model_dump() if hasattr(one, "model_dump") else one for one in prompt]
