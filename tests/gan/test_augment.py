import pytest
import torch

from gan.augment import POLICIES, augment
from gan.errors import SpecError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images() -> torch.Tensor:
    return torch.rand(6, 3, 16, 16, generator=rng(9)) * 2 - 1


def test_no_policy_changes_nothing() -> None:
    assert torch.equal(augment(images(), (), rng()), images())


@pytest.mark.parametrize("name", POLICIES)
def test_same_seed_same_result_and_gradients_flow(name: str) -> None:
    source = images().requires_grad_()
    first = augment(source, (name,), rng(1))
    assert first.shape == source.shape
    assert torch.equal(first, augment(images(), (name,), rng(1)))
    assert not torch.equal(first, augment(images(), (name,), rng(2)))
    first.square().sum().backward()
    assert source.grad is not None
    assert source.grad.abs().sum() > 0


def test_translation_moves_pixels_and_fills_with_grey() -> None:
    moved = augment(images() + 3, ("translation",), rng(3))
    for before, after in zip(images() + 3, moved, strict=True):
        matches = [
            torch.equal(torch.nn.functional.pad(before, (2 - x, 2 + x, 2 - y, 2 + y))[:, 2:18, 2:18], after)
            or torch.equal(torch.nn.functional.pad(before, (2, 2, 2, 2))[:, y + 2 : y + 18, x + 2 : x + 18], after)
            for x in range(-2, 3)
            for y in range(-2, 3)
        ]
        assert any(matches)


def test_cutout_blanks_one_square_of_half_the_side() -> None:
    cut = augment(torch.ones(200, 3, 16, 16), ("cutout",), rng(4))
    blanked = (cut[:, 0] == 0).sum(dim=(1, 2))
    assert blanked.max() == 64
    assert blanked.min() >= 16


def test_unknown_policy() -> None:
    with pytest.raises(SpecError, match="must be of color, translation, cutout; got 'blur'"):
        augment(images(), ("blur",), rng())
