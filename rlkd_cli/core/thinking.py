"""Thinking apart from the answer: every pair of tags that models put around it, in one place.

A path keeps its tags. A reply whose thinking was opened by the chat template, in the prompt, does
not show the opening tag; whoever knows the prompt says so (`opened`).
"""

import re

OPEN, CLOSE = "<think>", "</think>"  # how `rlkd` writes it

# (opening, closing), as the models' own chat templates have them
TAGS: tuple[tuple[str, str], ...] = (
    (OPEN, CLOSE),  # DeepSeek-R1, Qwen3, most others
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("◁think▷", "◁/think▷"),  # Kimi
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # OpenThoughts, Sky-T1
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A Reasoning
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),  # gpt-oss
    ("<|thinking|>", "<|/thinking|>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<analysis>", "</analysis>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<unused94>thought", "<unused95>"),  # MedGemma
)


def _spaced(tag: str) -> str:
    """A tag as a pattern, with a space at either end of its name where a model writes one."""
    return re.sub(r"\A(</?)(.*)(>)\Z", r"\1 ?\2 ?\3", re.escape(tag))


# All others of the family: `<thoughts>`, `<|reasoning|>`, `[REASONING]`, `<internal_monologue>`
_FAMILY = (
    r"(?:(?:my|ant|deep|inner|internal|hidden|step_by_step)_?){0,2}"
    r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|monologue|scratchpad|reflections?|deliberations?|"
    r"analysis|cot|chain[_-]?of[_-]?thoughts?)(?:_(?:process|content|steps?))?"
)
_OPENS = (
    rf"< ?{_FAMILY} ?>|<\| ?(?:(?:begin|start)(?:_of)?_)?{_FAMILY} ?\|>|"
    r"\[(?-i:THINK(?:ING)?|REASONING|THOUGHTS?|COT|ANALYSIS)\]"
)
_CLOSES = (
    rf"</ ?{_FAMILY} ?>|</?\| ?(?:/|end(?:_of)?_){_FAMILY} ?\|>|</\| ?{_FAMILY} ?\|>|"
    r"\[/(?-i:THINK(?:ING)?|REASONING|THOUGHTS?|COT|ANALYSIS)\]"
)


def _any_of(tags: tuple[str, ...], family: str) -> str:
    """The family, and those tags that it leaves out."""
    others = [_spaced(tag) for tag in tags if not re.fullmatch(family, tag, re.IGNORECASE)]
    return "(?=[<[◁])(?:" + "|".join([family, *others]) + ")"


# A tag in quotes is spoken of, not opened
_OPENING = re.compile(
    r"(?<![`'\"])" + _any_of(tuple(tag for tag, _ in TAGS), _OPENS), re.IGNORECASE
)
_CLOSING = re.compile(_any_of(tuple(tag for _, tag in TAGS), _CLOSES), re.IGNORECASE)


def split(text: str, opened: bool = False) -> tuple[str, str]:
    """(thinking, the rest): what stands before the last closing tag, and what stands after it.

    Thinking that is never closed is all thinking, with nothing after it. Without any tag there is
    no thinking, unless it was `opened` in the prompt. Text before an opening tag is dropped.

    >>> split("<think>2 + 2</think> So 4")
    ('2 + 2', 'So 4')
    >>> split("2 + 2 is", opened=True)
    ('2 + 2 is', '')
    """
    closed, reopened = _last_tags(text)
    if reopened:
        return text[reopened.end() :].strip("\n"), ""
    if closed is None:
        return (text.strip("\n"), "") if opened else ("", text)
    thought = text[: closed.start()]
    first = _OPENING.search(thought)
    return thought[first.end() if first else 0 :].strip("\n"), text[closed.end() :].lstrip()


def begins(text: str) -> bool:
    """Whether a text begins with an opening tag."""
    return _OPENING.match(text.lstrip()) is not None


def answer_text(path: str) -> str | None:
    """What follows the thinking, where an answer stands; None for a path that ends inside its
    thinking.
    """
    closed, reopened = _last_tags(path)
    if reopened:
        return None
    return path[closed.end() :] if closed else path


def _last_tags(text: str) -> tuple[re.Match[str] | None, re.Match[str] | None]:
    """The last closing tag, and the first opening tag after it; one pass each, however long the
    text.
    """
    closed = None
    for closed in _CLOSING.finditer(text):
        pass
    return closed, _OPENING.search(text, closed.end() if closed else 0)


def join(thinking: str, text: str) -> str:
    """A path from the two; without a text the thinking stays open, and without thinking there is no
    tag.

    >>> join("2 + 2", "4")
    '<think>\\n2 + 2\\n</think>\\n\\n4'
    """
    if not thinking:
        return text
    return f"{OPEN}\n{thinking}" + (f"\n{CLOSE}\n\n{text}" if text else "")


def reasoning(path: str) -> str:
    """A path up to its first closing tag: the reasoning without the answer after it."""
    closed = _CLOSING.search(path)
    return path[: closed.end()] if closed else path


def opens(prompt: str) -> bool:
    """Whether a prompt ends inside thinking, as DeepSeek-R1's chat template makes it end."""
    end = prompt.rstrip()[-100:]
    return any(match.end() == len(end) for match in _OPENING.finditer(end))


def ends_closed(text: str) -> bool:
    """Whether a text ends with a closing tag: what is written next stands behind the thinking."""
    return any(text.rstrip().endswith(tag) for _, tag in TAGS)


def is_one_block(path: str) -> bool:
    """Whether a path is one closed block of thinking and something after it.

    The opening tag may stand in the prompt.
    """
    text = path if path.lstrip().startswith(OPEN) else OPEN + path
    inside = rf"((?!{OPEN}|{CLOSE}).)"
    return bool(re.fullmatch(rf"\s*{OPEN}{inside}+{CLOSE}\s*\S{inside}*", text, re.DOTALL))


def as_think(path: str) -> str:
    """The same path with every pair of tags written as `<think>` and `</think>`."""
    return _CLOSING.sub(CLOSE, _OPENING.sub(OPEN, path))
