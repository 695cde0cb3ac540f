"""Texts as vectors, for diversity: sentence-transformers, or words counted where no model is at hand."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from rlkd_cli.errors import ModelError, UsageError


class Embedder(Protocol):
    """`embed` gives one row a text, (texts, dimensions)."""

    name: str

    def embed(self, texts: Sequence[str]) -> Any: ...


class LexicalEmbedder:
    """Hashed counts of words and word pairs (scikit-learn's HashingVectorizer): needs no model and no fitting."""

    name = "lexical"

    def embed(self, texts: Sequence[str]) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        words = HashingVectorizer(n_features=4096, ngram_range=(1, 2), alternate_sign=False, token_pattern=r"[^\s.,;:?!]+")
        return words.transform(texts).toarray()


class SentenceEmbedder:
    """A sentence-transformers model from the hub or a folder."""

    def __init__(self, name: str) -> None:
        if find_spec("sentence_transformers") is None:
            raise UsageError(
                f"embedder {name}: sentence-transformers is not installed (pip install 'rlkd[embed]'), or use --embedder lexical"
            )
        from sentence_transformers import SentenceTransformer

        self.name = name
        try:
            self._model: Any = SentenceTransformer(name, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ModelError(f"embedder {name}: cannot be loaded: {str(error).splitlines()[0]}") from error

    def embed(self, texts: Sequence[str]) -> Any:
        return self._model.encode(list(texts), show_progress_bar=False)


def open_embedder(name: str) -> Embedder:
    """`lexical`, or a sentence-transformers model."""
    return LexicalEmbedder() if name == "lexical" else SentenceEmbedder(name)
