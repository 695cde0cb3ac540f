"""Where models of this process compute."""

from rlkd_cli import ranks


def has_accelerator() -> bool:
    """Whether this machine has an accelerator that torch can use."""
    import torch

    return torch.cuda.is_available()


def own_device() -> str:
    """The device of this process: of several on a machine, each has an accelerator of its own."""
    return f"cuda:{ranks.local()}" if has_accelerator() else "cpu"
