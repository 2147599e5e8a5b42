import numpy as np
import pytest
import torch
from PIL import Image

from gan.data.pixels import fit_image_size, grey_to_rgb, resize, to_bytes, to_signed_unit


def random_images(count: int, size: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)


def test_signed_unit_round_trip_over_every_byte():
    values = torch.arange(256, dtype=torch.uint8)
    signed = to_signed_unit(values)
    assert signed.dtype == torch.float32
    assert torch.allclose(signed.double(), torch.arange(256).double() / 127.5 - 1, atol=1e-6, rtol=0)
    assert (signed.min().item(), signed.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_bytes(signed), values)


def test_to_bytes_clamps_and_does_not_change_its_argument():
    values = torch.tensor([-3.0, -1.0, 0.0, 1.0, 7.0])
    kept = values.clone()
    assert to_bytes(values).tolist() == [0, 0, 128, 255, 255]
    assert torch.equal(values, kept)


def test_grey_becomes_three_equal_channels():
    grey = random_images(2, 5)[:, 0]
    rgb = grey_to_rgb(grey)
    assert rgb.shape == (2, 3, 5, 5)
    assert all(torch.equal(rgb[:, channel], grey) for channel in range(3))


def test_28_is_padded_with_zeros_to_32():
    images = random_images(3, 28)
    padded = fit_image_size(images, 32)
    assert padded.shape == (3, 3, 32, 32)
    assert torch.equal(padded[:, :, 2:30, 2:30], images)
    assert int(padded.long().sum()) == int(images.long().sum())


def test_equal_size_is_kept():
    images = random_images(3, 28)
    assert fit_image_size(images, 28) is images


@pytest.mark.parametrize(("size", "wanted"), [(32, 16), (8, 32), (28, 14), (32, 33)])
def test_resize_agrees_with_pillow(size, wanted):
    images = random_images(4, size)
    resized = fit_image_size(images, wanted)
    assert resized.shape == (4, 3, wanted, wanted)
    for ours, source in zip(resized, images, strict=True):
        picture = Image.fromarray(source.permute(1, 2, 0).numpy())
        pillow = np.asarray(picture.resize((wanted, wanted), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        assert np.abs(ours.numpy().astype(int) - pillow.astype(int)).max() <= 1


def test_resize_keeps_a_constant_and_its_range():
    constant = torch.full((1, 3, 8, 8), 200.0)
    assert resize(constant, 32).unique().tolist() == [200]
    assert fit_image_size(random_images(0, 8), 32).shape == (0, 3, 32, 32)
