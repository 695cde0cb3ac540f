"""`python -m tests.training.sharded KIND ARGS…`: `rlkd ARGS` on CPU, sharded as accelerators would
shard it.

accelerate shards on accelerators alone; here it is told that gloo on CPU is one. For tests: users
have accelerators, and `--launch`.
"""

import os
import sys

SHARDED = {
    "zero2": {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"},
    "zero3": {
        "ACCELERATE_USE_DEEPSPEED": "true",
        "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
        "ACCELERATE_DEEPSPEED_ZERO3_INIT": "true",
        "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "true",
    },
    "fsdp2": {
        "ACCELERATE_USE_FSDP": "true",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
        "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
    },
}


def pretend(kind: str) -> None:
    """Tells accelerate that gloo on CPU is an accelerator's backend."""
    os.environ.update(SHARDED[kind])
    os.environ["DS_ACCELERATOR"] = "cpu"
    if kind != "fsdp2":  # one process, without a launcher
        alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
        os.environ.update({**alone, "MASTER_PORT": os.environ.get("MASTER_PORT", "29555")})
    import torch
    from accelerate import state

    kinds = state.DistributedType
    told = kinds.MULTI_GPU if kind == "fsdp2" else kinds.MULTI_CPU
    state.PartialState._prepare_backend = lambda *args, **kwargs: ("gloo", told)
    if kind == "fsdp2":
        torch.cuda.set_device = lambda device: None
        state.PartialState.set_device = lambda self: setattr(self, "device", torch.device("cpu"))


if __name__ == "__main__":
    pretend(sys.argv[1])
    from rlkd_cli.cli import main

    status = main(sys.argv[2:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # gloo's threads abort a process now and then at its exit
