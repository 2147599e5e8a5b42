from dataclasses import FrozenInstanceError, asdict

import pytest

from gan.errors import SpecError
from gan.spec import GeneratorSpec

MLP = {"family": "mlp", "kernel": 0, "upsampling": "none"}


def spec(**changes: object) -> GeneratorSpec:
    base = {"family": "subpixel", "latent_dim": 8, "conditioning": "one_hot", "widths": (8, 6, 4)}
    return GeneratorSpec.from_mapping({**base, **changes})


def test_json_round_trip_keeps_spec_and_digest() -> None:
    made = spec(conditioning="embedding", embed_dim=5)
    again = GeneratorSpec.from_json(made.to_json())
    assert again == made
    assert again.digest == made.digest
    assert hash(again) == hash(made)


def test_digest_differs_for_every_field() -> None:
    made = spec()
    changed = [spec(latent_dim=9), spec(widths=(8, 6, 5)), spec(activation="silu"), spec(kernel=5), spec(head="clamp")]
    assert len({made.digest, *(other.digest for other in changed)}) == 6


def test_later_fields_leave_older_digests_alone() -> None:
    made = spec()
    assert made.digest == "d74d8da4e28344da4673350c119914a79f7e8723fd2681284d5fd475f70b06dd"
    assert len({made.digest, spec(bias=False).digest, spec(mechanisms={"skip": True}).digest}) == 3
    assert spec(mechanisms={"skip": False}).digest == made.digest


def test_mechanisms_survive_json() -> None:
    made = spec(mechanisms={"attention": "light", "dropout": 0.25}, bias=False)
    assert GeneratorSpec.from_json(made.to_json()) == made


def test_spec_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        spec().latent_dim = 3  # type: ignore[misc]


def test_geometry_follows_widths() -> None:
    assert (spec().base_size, spec().doublings, spec().input_dim) == (4, 3, 18)
    mlp = spec(family="mlp", kernel=0, upsampling="none", conditioning="conditional_batchnorm")
    assert (mlp.base_size, mlp.doublings, mlp.input_dim) == (32, 0, 8)
    assert spec(family="hybrid").base_size == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "vae"}, "family must be one of"),
        ({"latent_dim": 0}, "latent_dim must be an integer from 1 to 8192; got 0"),
        ({"latent_dim": True}, "latent_dim must be an integer"),
        ({"widths": ()}, "widths must name 1 to 6 stages; got 0"),
        ({"widths": (8, 0)}, "each width must be an integer from 1"),
        ({"embed_dim": 4}, "embed_dim must be positive with conditioning=embedding"),
        ({"conditioning": "embedding"}, "embed_dim must be positive with conditioning=embedding"),
        ({"conditioning": "conditional_batchnorm", "normalisation": "none"}, "needs normalisation=batch"),
        ({"upsampling": "transposed"}, "upsampling of family subpixel"),
        ({"family": "conv", "upsampling": "transposed", "kernel": 5}, "kernel must be 3 or 4"),
        ({"bias": 1}, "bias must be true or false"),
        ({"mechanisms": {"skips": True}}, r"unknown mechanisms \['skips'\]"),
        ({"mechanisms": 3}, "mechanisms must be a mapping"),
        ({"mechanisms": {"attention": "heavy"}}, "attention must be one of none, light, full"),
        ({"mechanisms": {"residual_blocks": -1}}, "residual_blocks must be an integer from 0"),
        ({"mechanisms": {"dropout": 1.0}}, "dropout must be a probability below 1"),
        ({"mechanisms": {"wavelet": "yes"}}, "wavelet must be true or false"),
        ({"mechanisms": {"multi_scale": True, "feature_pyramid": True}}, "choose one"),
        ({"mechanisms": {"style_layers": 1}, "normalisation": "none"}, "style_layers need a normalisation"),
        ({"mechanisms": {"style_layers": 1}, "conditioning": "conditional_batchnorm"}, "whose place they take"),
        ({**MLP, "mechanisms": {"skip": True, "attention": "light"}}, "takes no skip, attention"),
        ({**MLP, "normalisation": "instance"}, "needs feature maps"),
        ({"family": "pointwise", "kernel": 3}, "kernel must be 1"),
        ({"kernel": 2}, "kernel must be 1, 3 or 5"),
        ({"groups": 2}, "groups must be above 1 in family grouped"),
        ({"family": "grouped", "groups": 4}, "widths must be multiples of groups=4"),
        ({"image_size": 28}, "image_size must be a multiple of 8"),
        ({"family": "hybrid", "widths": (8,)}, "hybrid needs at least one hidden width"),
        ({"family": "mlp", "kernel": 0, "upsampling": "none", "blocks_per_stage": 2}, "blocks_per_stage must be 1"),
        ({"blocks_per_stage": 10**9}, "blocks_per_stage must be an integer from 1 to 8192"),
        ({"num_classes": 1}, "num_classes must be an integer from 2 to 8192"),
        ({"colour": 3}, r"unknown spec fields \['colour'\]"),
    ],
)
def test_illegal_specs_say_why(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(**changes)


def test_unreadable_json_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="must be a JSON object"):
        GeneratorSpec.from_json("{")
    with pytest.raises(SpecError, match="must be a mapping"):
        GeneratorSpec.from_json("[1]")


def test_incomplete_mapping_is_a_spec_error() -> None:
    values = asdict(spec())
    del values["family"]
    with pytest.raises(SpecError, match="incomplete"):
        GeneratorSpec.from_mapping(values)
