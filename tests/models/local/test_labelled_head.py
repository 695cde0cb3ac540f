"""Logits where there is a label, and only there."""


def test_the_labelled_head_scores_and_trains_like_the_full_logits(base) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from rlkd_cli.models.local.labelled_head import LabelledHead

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = torch.randint(5, 90, (3, 20), generator=torch.Generator().manual_seed(0))
    labelled = torch.zeros(3, 20, dtype=torch.bool)
    labelled[0, 5:9], labelled[1, 0:20:3] = (
        True,
        True,
    )  # the first token has no prediction; the third row no label
    full = (
        model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        * labelled[:, 1:]
    )
    full.sum().backward()
    wanted = {name: weights.grad.clone() for name, weights in model.named_parameters()}
    model.zero_grad()
    seen = []
    head = LabelledHead(model)
    model.base_model.register_forward_hook(
        lambda module, args, output: seen.append(output.last_hidden_state.shape)
    )
    found = head.log_probs(model, {"input_ids": ids}, labelled)
    found.sum().backward()
    assert torch.allclose(found, full, atol=1e-5) and seen[0][:2] == (1, int(labelled[:, 1:].sum()))
    assert all(
        torch.allclose(weights.grad, wanted[name], atol=1e-5)
        for name, weights in model.named_parameters()
    )
    assert model(input_ids=ids).logits.shape == (
        3,
        20,
        model.config.vocab_size,
    )  # as before, without labels
