"""The sentence-transformers embedder, on tiny models with random weights that a test writes
down.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from rlkd_cli.errors import ModelError
from rlkd_cli.models.local.embedders import SentenceEmbedder
from tests.conftest import BASE, segmentation, step, write

pytestmark = pytest.mark.skipif(
    find_spec("sentence_transformers") is None, reason="no sentence-transformers installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A Qwen2 of random weights with mean pooling and the tiny world's tokenizer."""
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("embedder")
    sizes = {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    Qwen2Model(Qwen2Config(vocab_size=2000, num_key_value_heads=2, **sizes)).save_pretrained(
        folder / "backbone"
    )
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.save_pretrained(folder / "backbone")
    backbone = models.Transformer(str(folder / "backbone"))
    SentenceTransformer(modules=[backbone, models.Pooling(64, "mean")]).save(str(folder / "plain"))
    return folder


def copy(folder: Path, name: str) -> str:
    """The model under another name, as one that ships code of its own."""
    target = folder / name
    shutil.copytree(folder / "plain", target, dirs_exist_ok=True)
    file = next(file for file in target.rglob("config.json") if "model_type" in file.read_text())
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "auto_map": {"AutoModel": "modeling_qwen.Qwen2Model"}}))
    return str(target)


def test_the_papers_embedder_sees_both_directions(folder) -> None:
    import torch

    def first_token(name: str, text: str) -> torch.Tensor:
        return (
            SentenceEmbedder(name)._model.encode(text, output_value="token_embeddings")[0].float()
        )

    papers = copy(folder, "gte-Qwen2-7B-instruct")
    apart = [
        (first_token(name, "a = 3") - first_token(name, "a = 4")).abs().max()
        for name in (str(folder / "plain"), papers)
    ]
    assert apart[0] == 0 and apart[1] > 0


def test_a_model_with_code_of_its_own_is_refused(folder) -> None:
    with pytest.raises(ModelError, match="custom code"):
        SentenceEmbedder(copy(folder, "other"))


def test_diversity_and_the_embedding_judge_with_a_real_embedder(rlkd, folder) -> None:
    records = [
        segmentation(1, step("a"), sample=0),
        segmentation(1, step("eggs = 4", "2"), sample=1),
    ]
    same = [segmentation(1, step("a"), sample=0), segmentation(1, step("a"), sample=1)]
    name = str(folder / "plain")
    measured = [
        rlkd("diversity", write(Path("in.jsonl"), r), "--embedder", name, "-q").records
        for r in (records, same)
    ]
    assert measured[0][0]["diversity"] > measured[1][0]["diversity"] == pytest.approx(1, abs=1e-5)
    words = ["score", write(Path("t.jsonl"), same[:1]), "in.jsonl", "--judge", "embedding"]
    words += ["--embedder", name, "-q"]
    scored = rlkd(*words)
    assert [record["reward"] for record in scored.records] == [1.0, 1.0]
