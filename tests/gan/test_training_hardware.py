import pytest
import torch

from gan.errors import SpecError
from gan.training import TrainingRecipe, WeightForm, hardware, resolve_device, trains_in_bf16
from gan.training.hardware import multiplies_bf16


def test_names_become_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(("name", "said"), [("foo", "auto, cpu or cuda"), ("", "auto, cpu"), ("cuda:2", "it finds 2")])
def test_devices_that_are_not_there_are_refused(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(SpecError, match=said):
        resolve_device(name)


@pytest.mark.parametrize(
    ("tiles", "instructions", "maker", "gains"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
    ],
)
def test_a_cpu_gains_by_bfloat16_where_that_was_measured(
    tiles: bool, instructions: bool, maker: str, gains: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(hardware, "_processor", lambda: f"vendor_id\t: {maker}\n")
    assert multiplies_bf16(torch.device("cpu")) is gains


def test_a_recipe_may_need_all_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "multiplies_bf16", lambda _: True)
    recipes = (
        TrainingRecipe(),
        TrainingRecipe(bf16=False),
        TrainingRecipe(weight_form=WeightForm(activation_bits=6)),
    )
    assert [trains_in_bf16(recipe, torch.device("cpu")) for recipe in recipes] == [True, False, False]
