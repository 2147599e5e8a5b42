"""The smallest generator that tests build, save, export and read back."""

from gan.spec import GeneratorSpec

TINY_SPEC = GeneratorSpec(
    family="subpixel",
    latent_dim=4,
    conditioning="one_hot",
    widths=(4, 2, 2),
    kernel=3,
    upsampling="pixel_shuffle",
    activation="relu",
)
