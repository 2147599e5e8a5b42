"""The denoiser of a diffusion model: shapes, what its output depends on, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from gan.denoiser import Denoiser, DenoiserSpec, time_code
from gan.errors import SpecError

SPEC = DenoiserSpec(widths=(4, 6, 8), time_dim=8, condition_dim=12, image_size=16)


def test_noise_has_the_images_shape_and_depends_on_every_input() -> None:
    torch.manual_seed(0)
    network = Denoiser(SPEC).eval()
    images = torch.randn(2, 3, 16, 16, requires_grad=True)
    time, one_hot = time_code(torch.tensor([3, 500]), 8).requires_grad_(), torch.eye(10)[:2].requires_grad_()
    noise = network(images, time, one_hot)
    assert noise.shape == images.shape
    gradients = torch.autograd.grad(noise.square().sum(), (images, time, one_hot))
    assert all(float(gradient.abs().sum()) > 0 for gradient in gradients)


def test_codes_of_steps_differ_and_begin_at_zero() -> None:
    codes = time_code(torch.arange(1000), 32)
    assert codes.shape == (1000, 32)
    assert torch.equal(codes[0], torch.cat([torch.zeros(16), torch.ones(16)]))
    assert float(torch.cdist(codes, codes).fill_diagonal_(1.0).min()) > 1e-3


@pytest.mark.parametrize("changes", [{"widths": (4,)}, {"widths": (4, 0)}, {"image_size": 18}, {"time_dim": 7}])
def test_illegal_specs_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="got"):
        DenoiserSpec(**({"widths": (4, 6, 8), "image_size": 16} | changes))  # type: ignore[arg-type]
