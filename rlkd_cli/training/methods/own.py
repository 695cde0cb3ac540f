"""On-policy self-distillation (OPSD, 2601.18734): the student is its own teacher, better informed.

The student writes with the problem alone in its prompt. The same model, with the teacher's path in
its prompt as well (`prompts/informed.txt`), gives the distribution that each token is compared
with; no gradient goes through it. From the paper: two contexts of one model, whole distributions,
the student's own completions. Ours: the words of the prompt, the reverse KL as the default, and
that the grading weights are those being trained and no copy of the first ones, so that there is no
second model.
"""

from collections.abc import Sequence
from typing import Any

import torch
from trl.trainer.utils import pad

from rlkd_cli.models.chat import encode_chat
from rlkd_cli.records.schema import Raw
from rlkd_cli.training import model as models
from rlkd_cli.training.data import informed_messages
from rlkd_cli.training.methods.opd import OpdTrainer, opd_arguments, opd_parts
from rlkd_cli.training.methods.options import Distillation


def build(
    options: Distillation, records: Sequence[Raw], reward: Any, setting: models.Setting
) -> tuple["OwnTrainer", Any]:
    """The trainer and its tokenizer."""
    arguments = opd_arguments(options, setting)
    model, tokenizer = models.load(options.student, options, setting.needed)
    parts = opd_parts(options, records, arguments, model, tokenizer, setting)
    asked = [*records, *setting.held_out]
    informed = [encode_chat(tokenizer, informed_messages(raw, options, tokenizer)) for raw in asked]
    return OwnTrainer(**parts, informed=informed), tokenizer


class Informed(torch.nn.Module):
    """The student with other prompts, where TRL expects a teacher; it owns no weights, so that
    nothing that is done to a teacher is done to the student.
    """

    def __init__(self, student: Any, ids: torch.Tensor, mask: torch.Tensor) -> None:
        super().__init__()
        self.asked = (student, ids, mask)  # in a tuple: no module of this one
        self.config = student.config

    def get_output_embeddings(self) -> Any:
        return self.asked[0].get_output_embeddings()


class OwnTrainer(OpdTrainer):
    """OpdTrainer without a teacher; `informed` are prompts with the teacher's path, by row."""

    def __init__(self, *args: Any, informed: Sequence[list[int]], **kwargs: Any) -> None:
        super().__init__(*args, teacher_model=None, **kwargs)
        self._informed = informed

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        prompts = [torch.tensor(self._informed[one["row"]]) for one in inputs]
        masks = [torch.ones_like(prompt) for prompt in prompts]
        filler = self.processing_class.pad_token_id
        ids = pad(prompts, padding_value=filler, padding_side="left")
        mask = pad(masks, padding_value=0, padding_side="left")
        device = output["completion_ids"].device
        return {**output, "informed_ids": ids.to(device), "informed_mask": mask.to(device)}

    def _compute_loss(self, unwrapped_student: Any, inputs: Any, num_items_in_batch: Any) -> Any:
        ids = torch.cat([inputs["informed_ids"], inputs["completion_ids"]], dim=1)
        mask = torch.cat([inputs["informed_mask"], inputs["completion_mask"]], dim=1)
        self.teacher_model = Informed(unwrapped_student, ids, mask)
        return super()._compute_loss(unwrapped_student, inputs, num_items_in_batch)

    def _get_last_hidden_state(
        self, model: Any, ids: Any, mask: Any, logits_to_keep: int, **more: Any
    ) -> Any:
        if isinstance(model, Informed):
            model, ids, mask = model.asked
        return super()._get_last_hidden_state(model, ids, mask, logits_to_keep, **more)
