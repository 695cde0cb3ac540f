"""Models in this process: transformers, vLLM, sentence-transformers."""
