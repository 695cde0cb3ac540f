"""Texts as vectors, for diversity: sentence-transformers, or words counted where no model is at
hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Protocol

from rlkd_cli.errors import ModelError, UsageError
from rlkd_cli.option import MODEL, option

LEXICAL = "lexical"  # the embedder that is no model
PAPERS_EMBEDDER = "Alibaba-NLP/gte-Qwen2-7B-instruct"  # 4.3


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """How texts become vectors."""

    embedder: Annotated[
        str,
        option(
            "--embedder",
            help="A sentence-transformers model (4.3), or `lexical` (no model).",
            panel=MODEL,
        ),
    ] = PAPERS_EMBEDDER


class Embedder(Protocol):
    """`embed` gives one row a text, (texts, dimensions)."""

    name: str

    def embed(self, texts: Sequence[str]) -> Any: ...


class LexicalEmbedder:
    """Hashed counts of words and word pairs (scikit-learn's HashingVectorizer): needs no model and
    no fitting."""

    name = LEXICAL

    def embed(self, texts: Sequence[str]) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        words = HashingVectorizer(
            n_features=4096, ngram_range=(1, 2), alternate_sign=False, token_pattern=r"[^\s.,;:?!]+"
        )
        return words.transform(texts).toarray()


class SentenceEmbedder:
    """A sentence-transformers model from the hub or a folder. ModelError where it cannot be loaded
    as it was trained.

    No code that comes with a model is run. Without it the paper's embedder would load as the causal
    model that its architecture usually is, and its vectors would be noise: it attends in both
    directions, which transformers can do by itself when it is told so. Of any other model with code
    of its own we do not know what is missing.
    """

    def __init__(self, name: str) -> None:
        if find_spec("sentence_transformers") is None:
            raise UsageError(
                f"embedder {name}: sentence-transformers is not installed "
                "(pip install 'rlkd[embed]'), or use --embedder lexical"
            )
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()  # standard error is for our own progress
        self.name = name
        is_papers = name.rstrip("/").endswith(PAPERS_EMBEDDER.partition("/")[2])
        try:
            dtype = "bfloat16" if is_papers else "auto"  # its card's; in float16 it is unstable
            model: Any = SentenceTransformer(
                name, trust_remote_code=False, model_kwargs={"dtype": dtype}
            )
        except (OSError, ValueError) as error:
            raise ModelError.loading(f"embedder {name}", error) from error
        self._model, config = model, model[0].auto_model.config
        if is_papers:
            config.is_causal = False
        elif getattr(config, "auto_map", None):
            raise ModelError(
                f"embedder {name}: needs custom code (trust_remote_code), which rlkd does not run; "
                "choose another embedder"
            )

    def embed(self, texts: Sequence[str]) -> Any:
        return self._model.encode(list(texts), show_progress_bar=False)


def open_embedder(name: str) -> Embedder:
    """`lexical`, or a sentence-transformers model."""
    return LexicalEmbedder() if name == LEXICAL else SentenceEmbedder(name)
