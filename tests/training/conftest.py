import pytest

from tests.conftest import BASE
from tests.zoo.conftest import zoo  # noqa: F401  # the zoo's models serve these tests too


@pytest.fixture(scope="session")
def teacher(tmp_path_factory) -> str:
    """The base model with other weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("teacher")
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(BASE).save_pretrained(folder)
    return str(folder)
