"""The frozen description of a discriminator."""

from __future__ import annotations

from dataclasses import dataclass

from gan.errors import SpecError

KINDS = ("published", "projection")


@dataclass(frozen=True, kw_only=True)
class DiscriminatorSpec:
    """A conditional discriminator for images of the generator's shape.

    Attributes:
        kind: ``published`` (class map concatenated to the image) or ``projection`` (spectral norm, class projection).
        widths: channels after each stride-2 convolution; the side must divide by ``2**len(widths)``.
        auxiliary_head: whether ``projection`` also predicts the class.
        num_classes: number of classes, at least 2.
        image_size: side of the square image, in pixels.
        image_channels: channels of the image.
    """

    kind: str = "projection"
    widths: tuple[int, ...] = (64, 128, 256)
    auxiliary_head: bool = True
    num_classes: int = 10
    image_size: int = 32
    image_channels: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if self.kind not in KINDS:
            raise SpecError(f"discriminator kind must be one of {', '.join(KINDS)}; got {self.kind!r}")
        if not self.widths or any(width < 1 for width in self.widths):
            raise SpecError(f"discriminator widths must be positive and at least one; got {self.widths}")
        if self.image_size % 2 ** len(self.widths):
            raise SpecError(
                f"image_size must divide by {2 ** len(self.widths)} for {len(self.widths)} discriminator widths; "
                f"got {self.image_size}"
            )
        if self.kind == "published" and self.auxiliary_head:
            raise SpecError("the published discriminator has no auxiliary head; set auxiliary_head=false")
        if self.num_classes < 2:
            raise SpecError(f"num_classes must be at least 2; got {self.num_classes}")

    @property
    def top_size(self) -> int:
        """Side of the last feature map, in pixels."""
        return int(self.image_size // 2 ** len(self.widths))
