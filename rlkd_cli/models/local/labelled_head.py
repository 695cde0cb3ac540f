"""Log-probabilities of labelled tokens, without logits anywhere else: a 25,000-token path has a few
hundred labels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class LabelledHead:
    """TRL's fused head, which projects a tile at a time, over the labelled positions alone.

    The fused head itself leaves out the other positions only where it has Triton; here the
    backbone's output is cut down before the head sees it, on every device and below every wrapper
    (DDP, FSDP, DeepSpeed, PEFT).
    """

    def __init__(self, model: Any) -> None:
        from trl.trainer.utils import add_fused_lm_head

        add_fused_lm_head(model)
        model.base_model.register_forward_hook(self._keep)
        self._kept: torch.Tensor | None = None

    def log_probs(
        self, model: Any, inputs: Mapping[str, Any], labelled: "torch.Tensor"
    ) -> "torch.Tensor":
        """log p of every token after the first, (batch, tokens - 1); zero where `labelled` (batch,
        tokens) is False.

        `model` is the model given above or what wraps it by now; `inputs` are its own, `input_ids`
        among them.
        """
        self._kept = labelled[:, 1:]
        targets = inputs["input_ids"][:, 1:][self._kept][None]
        try:
            found: torch.Tensor = model(
                **inputs, shift_labels=targets, fused_lm_head=True, use_cache=False
            ).log_probs[0]
            return found.new_zeros(self._kept.shape).masked_scatter(self._kept, found)
        finally:
            self._kept = None

    def _keep(self, module: Any, args: Any, output: Any) -> Any:
        if self._kept is not None:
            output.last_hidden_state = output.last_hidden_state[:, :-1][self._kept][None]
        return output
