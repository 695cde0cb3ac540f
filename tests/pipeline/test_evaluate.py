"""`eval` and `capability`: numbers, comparisons, growth, checkpoints, plots."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import BASE, read, write
from tests.servers.scripted import Response

QUESTION = "eggs = 3. cups = eggs + 4. What is cups?"


def samples(rights: dict[str, list[int]], **more: object) -> list[dict]:
    """Paths with a right or wrong answer, by question."""
    return [
        {
            "id": name,
            "sample": i,
            "problem": "p",
            "answer": "7",
            "path": f"\\boxed{{{7 if right else i + 10}}}",
            **more,
        }
        for name, row in rights.items()
        for i, right in enumerate(row)
    ]


def graded(rlkd, file: str, rights: dict[str, list[int]], **more: object) -> str:
    write(Path("samples.jsonl"), samples(rights, **more))
    assert rlkd("eval", "--samples", "samples.jsonl", "-o", file, "-q").status == 0
    return file


def test_metrics_by_hand(rlkd) -> None:
    write(Path("s.jsonl"), samples({"a": [1, 0, 1, 0], "b": [0, 0, 0, 0], "c": [1, 1, 1, 1]}))
    found = json.loads(rlkd("eval", "--samples", "s.jsonl", "--k", "2", "--json").out)
    assert found["pass@1"] == 0.5 and found["pass@1 over the first 1"] == pytest.approx(2 / 3)
    assert found["pass@2"] == pytest.approx((5 / 6 + 0 + 1) / 3) and found[
        "any of the first 2"
    ] == pytest.approx(2 / 3)
    assert found["majority vote"] == pytest.approx(
        2 / 3
    )  # 7 is a's most frequent answer: the wrong ones all differ
    assert found["pass@1 standard error"] == pytest.approx(0.5 / 3**0.5)


def test_two_files_are_compared_question_by_question(rlkd) -> None:
    a = graded(rlkd, "a.jsonl", {"1": [0, 0], "2": [1, 0], "3": [1, 1], "4": [0, 0], "5": [0, 0]})
    b = graded(rlkd, "b.jsonl", {"1": [1, 1], "2": [1, 1], "3": [0, 0], "4": [1, 0], "6": [0, 0]})
    found = json.loads(rlkd("eval", "--compare", a, b, "--json").out)
    assert (found["questions"], found["only in one file"]) == (4, 2)
    assert found["B - A"] == pytest.approx((1 + 0.5 - 1 + 0.5) / 4)
    # the differences in runs are 2, 1, -2, 1: of 16 sign patterns, |sum| >= 2 in 12
    assert found["p value"] == pytest.approx(12 / 16)
    assert [q["id"] for q in found["gained"]] == ["1", "4"] and [
        q["id"] for q in found["lost"]
    ] == ["3"]
    assert "gained" in rlkd("eval", "--compare", a, b).err
    assert rlkd("eval", "--compare", a, b, "--bench", "x.jsonl").status == 2


def test_an_exact_p_value_is_that_of_all_sign_patterns() -> None:
    import itertools
    import random

    from rlkd_cli.core.metrics import sign_flip_p_value

    draws = random.Random(0)
    for _ in range(50):
        counts = [
            ((draws.randint(0, 4), 4), (draws.randint(0, 6), 6)) for _ in range(draws.randint(1, 9))
        ]
        steps = [3 * a - 2 * b for (a, _), (b, _) in counts]
        sums = [
            sum(s * d for s, d in zip(signs, steps, strict=True))
            for signs in itertools.product((1, -1), repeat=len(steps))
        ]
        expected = sum(abs(total) >= abs(sum(steps)) for total in sums) / len(sums)
        assert sign_flip_p_value(counts) == pytest.approx(expected)


def test_runs_are_added_to_a_finished_file(rlkd, server) -> None:
    server.script = lambda request, number: Response("so \\boxed{7}")
    write(Path("bench.jsonl"), [{"id": i, "problem": "p", "answer": "7"} for i in range(3)])
    command = ["eval", "--bench", "bench.jsonl", "--model", server.url, "-o", "out.jsonl", "-q"]
    assert rlkd(*command, "--runs", "2").status == 0
    assert rlkd(*command, "--runs", "6", "--k", "4").status == 0
    assert (
        len(server.requests) == 18 and len({request["seed"] for request in server.requests}) == 18
    )
    assert [(r["id"], r["sample"]) for r in read(Path("out.jsonl"))] == [
        (i, k) for i in range(3) for k in range(6)
    ]


def scale_weights(model: Path) -> None:
    """Other weights in the same folder."""
    from safetensors.torch import load_file, save_file

    file = model / "model.safetensors"
    tensors = load_file(file)
    save_file({name: tensor * 1.01 for name, tensor in tensors.items()}, file, {"format": "pt"})


def test_a_result_that_is_the_last_checkpoint_is_evaluated_once(rlkd) -> None:
    for name in ("run/checkpoint-10", "run/checkpoint-5"):
        shutil.copytree(BASE, name)
    for file in BASE.iterdir():
        shutil.copy(file, "run")
    Path("run/training_args.bin").write_bytes(b"x")
    scale_weights(Path("run/checkpoint-5"))
    write(Path("bench.jsonl"), [{"id": 1, "problem": QUESTION, "answer": "7"}])
    flags = ["--max-tokens", "8", "--prompt-template", "{problem}", "-o", "out.jsonl", "--json"]
    result = rlkd("eval", "--bench", "bench.jsonl", "--checkpoints", "run", *flags)
    assert [record["checkpoint"] for record in result.records] == ["5", "10"]
    assert "evaluated once" in result.err and not Path("out.final.jsonl").exists()


def test_checkpoints_are_evaluated_each(rlkd) -> None:
    for name in ("run/checkpoint-10", "run/checkpoint-5"):
        shutil.copytree(BASE, name)
    for file in BASE.iterdir():
        shutil.copy(file, "run")
    scale_weights(Path("run/checkpoint-10"))
    write(Path("bench.jsonl"), [{"id": 1, "problem": QUESTION, "answer": "7"}])
    flags = [
        "--k",
        "2",
        "--max-tokens",
        "32",
        "--prompt-template",
        "{problem}",
        "-o",
        "out.jsonl",
        "--json",
        "--plot",
        "p.svg",
    ]
    result = rlkd("eval", "--bench", "bench.jsonl", "--checkpoints", "run", *flags)
    assert result.status == 0 and [record["checkpoint"] for record in result.records] == [
        "5",
        "10",
        "final",
    ]
    assert read(Path("out.5.jsonl"))[0]["path"] == read(Path("out.final.jsonl"))[0]["path"]
    assert Path("p.svg").stat().st_size > 2000


def test_hostile_answers_cost_nobody_else(rlkd) -> None:
    hostile = [
        "9^{9^{9^9}}",
        "1" * 100_000,
        "{" * 300,
        r"\int_0^1 x^{99} \sin(x^{77}) dx",
        r"\prod_{k=1}^{999} \Gamma(k)",
    ]
    records = samples({f"q{i}": [1] for i in range(40)})
    records += [
        {"id": f"h{i}", "problem": "p", "answer": r"\frac{1}{3}", "path": f"\\boxed{{{h}}}"}
        for i, h in enumerate(hostile)
    ]
    result = rlkd(
        "eval", "--samples", write(Path("s.jsonl"), records), "--grade-timeout", "1", "-q"
    )
    assert result.status == 0 and sum(record["correct"] for record in result.records) == 40
    assert {record["verdict"] for record in result.records[40:]} <= {
        "wrong",
        "no_answer",
        "timeout",
        "unparsable",
    }


def test_several_files_share_a_plot(rlkd) -> None:
    a = graded(rlkd, "a.jsonl", {"1": [0, 1], "2": [1, 0]})
    write(Path("s.jsonl"), samples({"1": [1, 1], "2": [1, 0]}))
    for ending in ("png", "svg", "pdf"):
        assert (
            rlkd(
                "eval",
                "--samples",
                "s.jsonl",
                "--k",
                "2",
                "--with",
                a,
                "--plot",
                f"p.{ending}",
                "-q",
            ).status
            == 0
        )
        assert Path(f"p.{ending}").stat().st_size > 2000
    assert rlkd("eval", "--samples", "s.jsonl", "--plot", "p.nonsense", "-q").status == 2


def test_benchmarks_are_found_in_a_folder_and_prompts_are_shown(
    rlkd, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("RLKD_BENCH_DIR", str(tmp_path))
    write(tmp_path / "aime24.jsonl", [{"id": "1", "problem": "What is 3 + 4?", "answer": "007"}])
    shown = rlkd("eval", "--bench", "aime24", "--show-prompt").err
    assert "What is 3 + 4?" in shown and "\\boxed{}" in shown
    dry = rlkd("eval", "--bench", "aime24", "--dry-run", "--model", "hf/x")
    assert dry.status == 0 and "64" in dry.err  # the paper's number of runs


def test_capability_by_bins_of_the_success_rate_before(rlkd) -> None:
    before = graded(
        rlkd,
        "a.jsonl",
        {"1": [0] * 4, "2": [1, 0, 0, 0], "3": [1, 1, 1, 0], "4": [0] * 4},
        tokens=10,
    )
    after = graded(
        rlkd, "b.jsonl", {"1": [0] * 4, "2": [0] * 4, "3": [1] * 4, "4": [1, 0, 0, 0]}, tokens=30
    )
    result = rlkd("capability", before, after, "--plot", "p.png")
    bins = {record["bin"]: record for record in result.records}
    assert list(bins) == ["never solved", "(0.2, 0.4]", "(0.6, 0.8]", "all"]
    never, whole = bins["never solved"], bins["all"]
    assert (never["questions"], never["accuracy_after"], never["capability_after"]) == (
        2,
        0.125,
        0.5,
    )
    assert (whole["gained"], whole["lost"], whole["length_before"], whole["length_after"]) == (
        ["4"],
        ["2"],
        10,
        30,
    )
    assert (
        whole["never_solved_bound"] == pytest.approx(1 - 0.05**0.25)
        and Path("p.png").stat().st_size > 5000
    )
    assert rlkd("capability", before, after, "--k", "5").status == 2


def test_capability_counts_reflection_and_the_base_models_likelihood(rlkd, base) -> None:
    records = [
        {"id": 1, "problem": QUESTION, "answer": "7", "correct": True, "path": path}
        for path in ("First cups: 7.", "Wait, wait. Hmm")
    ]
    write(Path("a.jsonl"), records[:1])
    write(Path("b.jsonl"), records[1:])
    flags = ["--base-model", f"hf/{base}", "--prompt-template", "{problem}"]
    whole = rlkd("capability", "a.jsonl", "b.jsonl", *flags).records[-1]
    assert (whole["reflections_before"], whole["reflections_after"]) == (0, 3)
    assert whole["likelihood_after"] < whole["likelihood_before"] < 0
    Path("words.txt").write_text("# mine\nfirst\n")
    assert (
        rlkd("capability", "a.jsonl", "b.jsonl", "--keywords", "words.txt").records[-1][
            "reflections_before"
        ]
        == 1
    )


def test_likelihood_is_that_of_the_whole_softmax(base) -> None:
    import asyncio

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from rlkd_cli.models import user
    from rlkd_cli.models.chat import encode_chat
    from rlkd_cli.models.local.hf import HfModel

    tokenizer, model = (
        AutoTokenizer.from_pretrained(base),
        AutoModelForCausalLM.from_pretrained(base),
    )
    engine = HfModel(base)
    texts = ["First cups: 3 + 4 = 7.", "eggs"]

    async def go() -> list[float]:
        return list(
            await asyncio.gather(*(engine.log_likelihood(user(QUESTION), text) for text in texts))
        )

    for text, found in zip(texts, asyncio.run(go()), strict=True):
        start = encode_chat(tokenizer, user(QUESTION))
        ids = torch.tensor([start + tokenizer(text, add_special_tokens=False)["input_ids"]])
        logps = (
            model(ids)
            .logits.log_softmax(-1)[0, len(start) - 1 : -1]
            .gather(1, ids[0, len(start) :, None])
        )
        assert found == pytest.approx(float(logps.mean().detach()), abs=1e-4)


def test_diversity_of_several_files_with_questions_left_out(rlkd) -> None:
    def record(name: int, sample: int, *words: str) -> dict:
        steps = [{"meta_reasoning": w, "sub_problem": w, "answer": w} for w in words]
        return {"id": name, "sample": sample, "steps": steps}

    same = [record(i, k, "alpha beta") for i in range(3) for k in range(2)]
    mixed = [record(1, 0, "alpha", "x"), record(1, 1, "beta"), record(2, 0, "alpha")]
    write(Path("same.jsonl"), same)
    write(Path("mixed.jsonl"), mixed)
    flags = ["--embedder", "lexical", "--with", "same.jsonl", "--plot", "p.pdf"]
    result = rlkd("diversity", "mixed.jsonl", *flags)
    first = result.records[0]
    assert len(result.records) == 1 and (first["questions"], first["left_out"], first["paths"]) == (
        1,
        1,
        2,
    )
    assert first["diversity"] == pytest.approx(2**0.5) and Path("p.pdf").stat().st_size > 2000
    assert rlkd("diversity", "same.jsonl", "--embedder", "lexical").records[0][
        "diversity"
    ] == pytest.approx(1.0)


def test_a_table_is_made_anew_by_the_same_settings_only(rlkd) -> None:
    steps = [{"meta_reasoning": "m", "sub_problem": "q", "answer": "a"}]
    write(Path("in.jsonl"), [{"id": 1, "sample": k, "steps": steps} for k in range(2)])
    command = ["diversity", "in.jsonl", "--embedder", "lexical", "-o", "out.jsonl", "-q"]
    assert rlkd(*command).status == 0 and rlkd(*command).status == 0
    other = rlkd(*command, "--seed", "1")
    assert other.status == 2 and "seed" in other.err
    assert rlkd(*command, "--seed", "1", "--overwrite").status == 0
    Path("mine.jsonl").write_text("precious\n")
    assert (
        rlkd(*command[:-2], "mine.jsonl").status == 2
        and Path("mine.jsonl").read_text() == "precious\n"
    )


def test_a_finished_grading_is_shown_again(rlkd) -> None:
    write(Path("s.jsonl"), samples({"a": [1, 0]}))
    command = ["eval", "--samples", "s.jsonl", "-o", "out.jsonl"]
    first, again = rlkd(*command), rlkd(*command)
    assert (
        (first.status, again.status) == (0, 0)
        and "pass@1" in again.err
        and len(read(Path("out.jsonl"))) == 2
    )


def test_stop_goes_with_every_request_and_into_the_manifest(rlkd, server) -> None:
    server.script = lambda request, number: Response("so 4")
    write(Path("in.jsonl"), [{"id": 1, "problem": "p", "answer": "4"}])
    ends = ["--stop", "\nQuestion:", "--stop", "Problem"]
    for command in (["sample", "in.jsonl", "--n", "1"], ["eval", "--bench", "in.jsonl"]):
        flags = ["--model", server.url, "-o", f"{command[0]}.jsonl"]
        assert rlkd(*command, *flags, *ends).status == 0
        assert server.requests[-1]["stop"] == ["\nQuestion:", "Problem"]
        changed = rlkd(*command, *flags)
        assert changed.status == 2 and "stop" in changed.err
        empty = rlkd(*command, *flags, "--overwrite", "--stop", "")
        assert empty.status == 2 and "--stop" in empty.err
    assert len(server.requests) == 2
    assert rlkd("sample", "in.jsonl", "--n", "1", "--model", server.url).status == 0
    assert "stop" not in server.requests[-1]


def test_a_line_where_most_paths_hold_no_box(rlkd, server) -> None:
    write(Path("in.jsonl"), [{"id": i, "problem": "p", "answer": "4"} for i in range(3)])
    server.script = lambda request, number: Response("so \\boxed{4}" if number < 1 else "so 4")
    command = ["eval", "--bench", "in.jsonl", "--model", server.url]
    result = rlkd(*command, "--concurrency", "1")
    assert "2 of 3 paths hold no \\boxed{} answer" in result.err
    sampled = rlkd("sample", "in.jsonl", "--model", server.url, "--n", "1")
    assert "3 of 3 paths hold no" in sampled.err
    free = rlkd(*command, "--prompt-template", "{problem}")
    assert "hold no" not in free.err
