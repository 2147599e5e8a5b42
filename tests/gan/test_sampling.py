import torch

from gan.generators import build_generator
from gan.sampling import GeneratorSampler, latents_for, one_hot_rows
from gan.spec import GeneratorSpec


def test_a_latent_depends_on_seed_and_index_alone() -> None:
    together = latents_for(torch.tensor([3, 7, 100_000]), latent_dim=5, seed=1)
    alone = latents_for(torch.tensor([7]), latent_dim=5, seed=1)
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(alone, latents_for(torch.tensor([7]), latent_dim=5, seed=2))
    assert not torch.equal(together[0], together[1])


def test_latents_are_standard_normal() -> None:
    drawn = latents_for(torch.arange(2000), latent_dim=8, seed=0)
    assert abs(drawn.mean().item()) < 0.03
    assert abs(drawn.std().item() - 1) < 0.03
    assert abs(torch.corrcoef(drawn.T)[0, 1].item()) < 0.08


def test_no_samples() -> None:
    assert latents_for(torch.arange(0), latent_dim=4, seed=0).shape == (0, 4)


def test_one_hot_rows() -> None:
    assert one_hot_rows(torch.tensor([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_batch_size_does_not_change_a_sample() -> None:
    spec = GeneratorSpec(family="subpixel", latent_dim=4, conditioning="one_hot", widths=(4, 4, 4))
    sample = GeneratorSampler(build_generator(spec), latent_dim=4, num_classes=10, seed=0)
    indices = torch.arange(12)
    whole = sample(indices % 10, indices)
    parts = torch.cat([sample(part % 10, part) for part in indices.split(5)])
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=0)
