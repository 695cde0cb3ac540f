"""Models of every family, random and of one layer, made in seconds: templates, end tokens and
configurations as the world has them. A byte is a token, and special tokens come on top.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
R1 = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}"
    "{% elif m.role == 'assistant' %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}"
    "<｜end▁of▁sentence｜>{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}<start_of_turn>"
    "{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }}</s>"
    "{% else %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
)
PHI = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
QWEN3 = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
    "{{ m.content.split('</think>')[-1].lstrip('\n') }}{% else %}{{ m.content }}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
SHAPE = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1}
SHAPE |= {"num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 32}


@dataclass(frozen=True)
class Family:
    """One kind of model. `eos` and `end_ids` are the tokenizer's and the model's own word for the
    end.
    """

    kind: str
    special: tuple[str, ...]
    eos: str
    template: str | None
    end: str  # what a reply really ends with
    ends: tuple[str, ...] = ()  # of the generation_config; none: the tokenizer's
    bos: str | None = None
    pad: str | None = None
    tied: bool = True
    dtype: torch.dtype = torch.float32
    config: Mapping[str, Any] = field(default_factory=lambda: SHAPE)
    generation: Mapping[str, Any] = field(default_factory=dict)
    context: int = 1024


_QWEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_R1 = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
_LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>")
_GPT2 = {"n_embd": 64, "n_layer": 1, "n_head": 2, "resid_pdrop": 0, "embd_pdrop": 0}
_GEMMA3 = {"layer_types": ["full_attention"], "query_pre_attn_scalar": 32}
_GEMMA3 |= {"initializer_range": 0.1}  # its norms learn slowly from less
_HOSTILE = {"repetition_penalty": 3.0, "no_repeat_ngram_size": 2, "do_sample": True}
_HOSTILE |= {"temperature": 1.7, "top_k": 3, "suppress_tokens": [ord("a"), ord("b")]}

FAMILIES = {
    "qwen2.5-base": Family("qwen2", _QWEN, _QWEN[0], CHATML, "<|im_end|>"),
    "r1-distill": Family(
        "qwen2",
        (*_R1, "<think>", "</think>"),
        "<｜end▁of▁sentence｜>",
        R1,
        "<｜end▁of▁sentence｜>",
        bos="<｜begin▁of▁sentence｜>",
        tied=False,
    ),
    "llama3": Family(
        "llama",
        (*_LLAMA, "<|start_header_id|>", "<|end_header_id|>"),
        "<|end_of_text|>",
        LLAMA3,
        "<|eot_id|>",
        ("<|end_of_text|>", "<|eom_id|>"),
        bos="<|begin_of_text|>",
        dtype=torch.bfloat16,
    ),
    "gemma": Family(
        "gemma",
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        GEMMA,
        "<end_of_turn>",
        bos="<bos>",
        pad="<pad>",
    ),
    "gemma3": Family(
        "gemma3_text",
        ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        GEMMA,
        "<end_of_turn>",
        bos="<bos>",
        pad="<pad>",
        config=SHAPE | _GEMMA3,
    ),
    "mistral": Family(
        "mistral",
        ("<s>", "</s>", "[INST]", "[/INST]"),
        "</s>",
        MISTRAL,
        "</s>",
        bos="<s>",
        tied=False,
    ),
    "phi": Family(
        "phi3",
        ("<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        "<|endoftext|>",
        PHI,
        "<|end|>",
        pad="<|endoftext|>",
        tied=False,
        config=SHAPE | {"pad_token_id": 256},
    ),
    "qwen3": Family(
        "qwen3", (*_QWEN, "<think>", "</think>"), "<|im_end|>", QWEN3, "<|im_end|>", pad=_QWEN[0]
    ),
    "gpt2": Family(
        "gpt2",
        ("<|endoftext|>",),
        "<|endoftext|>",
        None,
        "<|endoftext|>",
        bos="<|endoftext|>",
        pad="<|endoftext|>",
        config=_GPT2 | {"attn_pdrop": 0},
        context=64,
    ),
    "hostile": Family(
        "qwen2", _QWEN, "<|im_end|>", CHATML, "<|im_end|>", pad=_QWEN[0], generation=_HOSTILE
    ),
}


def make_tokenizer(family: Family) -> PreTrainedTokenizerFast:
    """Bytes and the family's special tokens; begin tokens are the template's to write."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in family.special])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=family.eos,
        bos_token=family.bos,
        pad_token=family.pad,
        chat_template=family.template,
        clean_up_tokenization_spaces=False,
    )


def make(name: str, folder: Path) -> Path:
    """A family's model in a folder; asserts that AutoTokenizer gives the same ids."""
    family = FAMILIES[name]
    tokenizer = make_tokenizer(family)
    ids = {text: tokenizer.convert_tokens_to_ids(text) for text in family.special}
    ends = [ids[text] for text in family.ends or (family.eos,)]
    positions = "n_positions" if family.kind == "gpt2" else "max_position_embeddings"
    config = CONFIG_MAPPING[family.kind](
        vocab_size=len(tokenizer),
        eos_token_id=ends if len(ends) > 1 else ends[0],
        bos_token_id=ids.get(family.bos or ""),
        tie_word_embeddings=family.tied,
        **{positions: family.context, **family.config},
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).to(family.dtype)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    own = {"eos_token_id": config.eos_token_id, "bos_token_id": config.bos_token_id}
    generation = {name: v for name, v in {**own, **family.generation}.items() if v is not None}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    text = f"{family.end} a <think>\nb</think> ü"
    assert AutoTokenizer.from_pretrained(folder)(text).input_ids == tokenizer(text).input_ids
    return folder
