"""The model's folder at the end of a training: whole weights, whatever they were sharded by.

After each saving the keys in the files are compared with the model's. LoRA adapters are small and
whole in every kind of training: they are saved, and merged afterwards in one process.
"""

import copy
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Trainer

from rlkd_cli.errors import ModelError
from rlkd_cli.models.local.loading import BASE_CONFIG
from rlkd_cli.models.spec import model_of


def save_model(
    trainer: Trainer, tokenizer: Any, base: str, folder: Path, keep_adapter: bool = False
) -> bool:
    """Saves model and tokenizer; True in the one process that goes on to write beside them.

    What was trained in bf16 is saved in it: half the size, and what engines load; anything else in
    the type of the base's weights. With `keep_adapter` the folder holds the adapter alone.
    ModelError where the files do not hold every key of the model.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = _whole_state(trainer)  # all processes take part
    trainer.accelerator.wait_for_everyone()
    if not trainer.is_world_process_zero():
        return False
    _forget_sharding()
    dtype = torch.bfloat16 if trainer.args.bf16 else _dtype_of(base)
    folder.mkdir(parents=True, exist_ok=True)
    if not hasattr(model, "merge_and_unload"):
        _save_whole(model, state, dtype, base, folder)
    elif keep_adapter:
        _save_adapter(model, state, folder)
        save_settings(model, folder)
    else:
        _save_whole(_merged(model, state, base), None, dtype, base, folder)
    _save_tokenizer(tokenizer, base, folder)
    if not keep_adapter:
        check_saved(folder)
    return True


def leave_others() -> None:
    """Ends the talk with other processes, the last call; left open, it may abort a process at
    its exit.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _whole_state(trainer: Trainer) -> dict[str, Any] | None:
    """All weights by name, gathered where they are sharded; None where each process has them whole.

    The wrapped model is asked: the bare one knows nothing of DeepSpeed's shards.
    """
    if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
        return None
    return trainer.accelerator.get_state_dict(trainer.model_wrapped) or {}


def _forget_sharding() -> None:
    """From here on this process loads models whole, and alone."""
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    unset_hf_deepspeed_config()
    os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "false"


def _save_adapter(model: Any, state: dict[str, Any] | None, folder: Path) -> None:
    more = {} if state is None else {"state_dict": state}
    model.save_pretrained(folder, save_embedding_layers=False, **more)


def save_settings(model: Any, folder: Path) -> None:
    """What an adapter does not hold: how its base was configured, and who ends a reply."""
    config = copy.deepcopy(model.get_base_model().config)
    config.use_cache = True  # trainers turn it off
    config.to_json_file(folder / BASE_CONFIG)
    model.generation_config.save_pretrained(folder)


def _merged(model: Any, state: dict[str, Any] | None, base: str) -> Any:
    """The base model with the adapter merged, in float32: bfloat16 would round the adapter away."""
    from peft import PeftModel

    config = model.get_base_model().config
    with tempfile.TemporaryDirectory() as adapter:
        _save_adapter(model, state, Path(adapter))
        whole = AutoModelForCausalLM.from_pretrained(
            model_of(base), config=config, dtype=torch.float32
        )
        merged = PeftModel.from_pretrained(whole, adapter).merge_and_unload()
    merged.generation_config = model.generation_config
    return merged


def _save_whole(
    model: Any, state: dict[str, Any] | None, dtype: torch.dtype, base: str, folder: Path
) -> None:
    if state is None:
        model.to(dtype)
    else:
        tied = getattr(model, "all_tied_weights_keys", None) or {}
        state = {name: w.to(dtype) for name, w in state.items() if name not in tied}
    model.config.use_cache = getattr(_config(base), "use_cache", True)  # trainers turn it off
    model.config.dtype = dtype
    model.save_pretrained(folder, state_dict=state)


def _config(base: str) -> Any:
    return AutoConfig.from_pretrained(model_of(base))


def _dtype_of(base: str) -> torch.dtype:
    """The type of the base's weights, as its configuration declares it; else float32."""
    said = getattr(_config(base), "dtype", None)
    return said if isinstance(said, torch.dtype) else torch.float32


def _save_tokenizer(tokenizer: Any, base: str, folder: Path) -> None:
    """The base's tokenizer as it was: that it pads on the left, and with what, is a training's own
    matter.
    """
    own = AutoTokenizer.from_pretrained(model_of(base))
    own.chat_template = tokenizer.chat_template
    own.save_pretrained(folder)


def check_saved(folder: Path) -> None:
    """ModelError where the folder's files lack a key of the model, or hold one that it has not."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, device_map="meta", output_loading_info=True
    )
    info = loaded[1]
    wrong = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if wrong:
        raise ModelError(
            f"{folder}: {len(wrong)} keys of its files are not the model's, such as {wrong[0]}"
        )
