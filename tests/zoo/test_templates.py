"""Chat templates that leave out, change or refuse what they are given: nothing is lost unsaid."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rlkd_cli.errors import RecordError, UsageError
from rlkd_cli.models import user
from rlkd_cli.models.chat import encode_chat, opens_thinking, render_chat
from rlkd_cli.training.replies import encode_reply, end_of
from tests.conftest import read, write
from tests.zoo.families import CHATML, FAMILIES, make_tokenizer
from tests.zoo.test_trainings import FLAGS, problems

USERS = "{% if m.role == 'user' %}<|im_start|>user\n{{ m.content }}<|im_end|>\n{% endif %}"
ONLY_USERS = "{% for m in messages %}" + USERS + "{% endfor %}<|im_start|>assistant\n"
UPPER = CHATML.replace("{{ m.content }}", "{{ m.content | upper }}")
PARTS = "{% for c in m.content %}{% if c.type == 'text' %}{{ c.text }}{% endif %}{% endfor %}"
IN_PARTS = CHATML.replace("{{ m.content }}", PARTS)
SILENT = CHATML.replace("in messages", "in messages if m.role != 'system'")
REFUSED = "{{ raise_exception('No system message') }}"
WANTS_SYSTEM = "{% if messages[0].role != 'system' %}" + REFUSED + "{% endif %}" + CHATML
WITHOUT_THINKING = CHATML.replace("m.content", "m.content.split('</think>')[-1]")
SFT = ["--method", "sft", "--batch-size", 4, "--accumulation", 1, "--steps", 1, *FLAGS]


def tokenizer_with(template: str | None):
    tokenizer = make_tokenizer(FAMILIES["qwen2.5-base"])
    tokenizer.chat_template = template
    return tokenizer


@pytest.fixture
def student(zoo, tmp_path) -> Callable[[str], Path]:
    """Qwen2.5 base under another template."""

    def of(template: str) -> Path:
        folder = shutil.copytree(zoo("qwen2.5-base"), tmp_path / "student")
        (folder / "chat_template.jinja").write_text(template)
        return folder

    return of


@pytest.mark.parametrize("template", [ONLY_USERS, UPPER])
def test_a_template_that_says_no_reply_leaves_the_end_to_the_tokenizer(template: str) -> None:
    tokenizer = tokenizer_with(template)
    assert end_of(tokenizer) == tokenizer.eos_token_id


@pytest.mark.parametrize("template", [CHATML, IN_PARTS, SILENT, WANTS_SYSTEM])
def test_the_end_is_what_the_template_puts_behind_a_reply(template: str) -> None:
    tokenizer = tokenizer_with(template)
    assert tokenizer.decode([end_of(tokenizer)]) == "<|im_end|>"


def test_contents_go_in_parts_where_a_template_takes_no_texts() -> None:
    written = [render_chat(tokenizer_with(t), user("2+2?", "Hi.")) for t in (CHATML, IN_PARTS)]
    assert written[0] == written[1] and "2+2?" in written[0]


def test_a_system_text_that_a_template_drops_goes_before_the_question() -> None:
    text = render_chat(tokenizer_with(SILENT), user("2+2?", "Be brief."))
    assert text.startswith("<|im_start|>user\nBe brief.\n\n2+2?<|im_end|>")


def test_a_system_message_is_asked_for_where_a_template_wants_one() -> None:
    tokenizer = tokenizer_with(WANTS_SYSTEM)
    with pytest.raises(UsageError, match="by --system"):
        render_chat(tokenizer, user("2+2?"))
    assert "2+2?" in render_chat(tokenizer, user("2+2?", "Be brief."))
    assert not opens_thinking(tokenizer)


def test_only_the_prompt_that_a_template_changes_is_rejected() -> None:
    tokenizer = tokenizer_with(WITHOUT_THINKING)
    assert "2+2?" in render_chat(tokenizer, user("2+2?"))
    with pytest.raises(RecordError, match="prompt_lost"):
        render_chat(tokenizer, user("Split this: <think>2+2</think> 4"))


def test_a_template_that_changes_every_question_is_refused(rlkd, student) -> None:
    data, folder = write(Path("t.jsonl"), problems(4)), student(UPPER)
    results = [
        rlkd("distill", data, "-o", "s", "--student", folder, "--max-tokens", 50, *SFT),
        rlkd("sample", data, "-o", "o.jsonl", "--model", f"hf/{folder}", "--n", 1, "-q"),
    ]
    for result in results:
        assert result.status == 2 and "its chat template" in result.err
    assert not Path("s").exists()


def test_a_template_in_parts_is_trained_and_asked_with_the_problem(rlkd, student) -> None:
    data, folder = write(Path("t.jsonl"), problems(4)), student(IN_PARTS)
    flags = ["--student", folder, "--max-tokens", 50, *SFT]
    flags.remove("-q")
    trained = rlkd("distill", data, "-o", "s", *flags)
    assert trained.status == 0 and "<|im_start|>user" in trained.err and "2+2?" in trained.err
    assert (
        rlkd("sample", data, "-o", "o", "--model", "hf/s", "--n", 1, "--max-tokens", 4).status == 0
    )
    assert len(read(Path("o"))) == 4


def test_no_end_token_stands_between_prompt_and_reply() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer, end = tokenizer_with(None), "<|endoftext|>"
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"<|im_start|> $A {end}",
        special_tokens=[
            (text, tokenizer.convert_tokens_to_ids(text)) for text in (end, "<|im_start|>")
        ],
    )
    assert tokenizer.decode(tokenizer("a").input_ids) == f"<|im_start|>a{end}"
    assert tokenizer.decode(encode_chat(tokenizer, user("2+2?"))) == "<|im_start|>2+2?"
    ids, prompt = encode_reply(tokenizer, user("2+2?"), "four")
    assert tokenizer.decode(ids) == f"<|im_start|>2+2?four{end}" and prompt == 5


def test_a_plain_solution_is_an_answer_where_the_template_opened_thinking(rlkd, zoo) -> None:
    rows = problems(8, path="2+2=4. So \\boxed{4}")
    rows.append({**rows[0], "id": 9, "path": "<think>\n2+2=4. So \\boxed{4}"})
    flags = [*SFT, "--student", zoo("r1-distill"), "--steps", 60, "--batch-size", 8]
    flags += ["--learning-rate", "1e-2", "--max-grad-norm", 1, "--max-tokens", 50]
    flags.remove("-q")
    trained = rlkd("distill", write(Path("t.jsonl"), rows), "-o", "s", *flags)
    assert trained.status == 3 and "trained behind an empty one" in trained.err
    assert [row["error"] for row in read(Path("s/rejects.jsonl"))] == ["unclosed_thinking"]
    asked = ["--model", "hf/s", "--temperature", 0, "--max-tokens", 60]
    asked += ["--prompt-template", "{problem}", "-q"]
    (graded,) = rlkd("eval", "--bench", write(Path("q.jsonl"), rows[:1]), *asked).records
    assert (graded["path"], graded["verdict"]) == (rows[0]["path"], "correct")
