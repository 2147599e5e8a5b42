"""How a generator is trained: one frozen record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gan.augment import POLICIES
from gan.digest import json_digest, settled_form
from gan.errors import SpecError
from gan.guide import EnergySettings, GuideSpec
from gan.losses import ADVERSARIAL_LOSSES
from gan.training.distillation import Distillation
from gan.training.progressive import Progressive
from gan.training.weight_forms import WeightForm

METHODS = ("gan", "vae", "vae_gan")
_LATER_FIELDS = (
    "method",
    "kl_weight",
    "reconstruction_weight",
    "gradient_clip",
    "dual_discriminator",
    "weight_form",
    "distillation",
    "progressive",
    "mode_seeking_weight",
    "decay_from",
    "guide",
    "selected_share",
    "energy",
    "restarts",
    "start",
    "start_discriminator",
    "more_guides",
    "selected_evenly",
    "selected_by_all",
    "head_start",
)


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Everything about training that does not depend on the generator or the data.

    Attributes:
        loss: adversarial loss, ``bce`` or ``hinge``.
        discriminator: ``published`` or ``projection``.
        discriminator_widths: channels after each stride-2 convolution of the discriminator.
        batch_size: images per step.
        generator_learning_rate: Adam step size of the generator.
        discriminator_learning_rate: Adam step size of the discriminator.
        adam_betas: Adam's decay rates of both optimisers.
        label_smoothing: how much the target of real images is lowered (``bce`` only).
        auxiliary_weight: weight of the discriminator's own class head in both losses; 0 builds none.
        ema_decay: decay of the averaged generator per step; 0 keeps the last weights.
        augmentation: differentiable augmentation policy, in order.
        bf16: autocast to bfloat16 where the hardware multiplies it natively.
        channels_last: keep images and weights in channels-last memory order.
        method: ``gan``; ``vae``, a conditional autoencoder without a discriminator; or ``vae_gan``, both losses.
        kl_weight: of the divergence from the prior, beside a reconstruction of weight ``reconstruction_weight``; 1 and
            1 make the evidence lower bound of a decoder with unit variance.
        reconstruction_weight: see there. Both are read by the autoencoders only.
        gradient_clip: greatest norm of each network's gradient; 0 clips nothing.
        dual_discriminator: a second discriminator judges the images at half their size; losses are averaged.
        weight_form: what the generator's weights and activations may be.
        distillation: how much is learnt from a teacher; None needs none.
        progressive: sizes that training goes through; None trains at the full one.
        mode_seeking_weight: of the generator's penalty on images that hardly depend on their latents
            (:func:`gan.losses.mode_seeking_loss`); every class is then drawn twice in a batch.
        decay_from: share of a cycle from which both learning rates fall, linearly, to zero at its end; 1 keeps them.
        restarts: shares of the budget at which a cycle ends and the next one begins with full rates (warm restarts,
            Loshchilov and Hutter 2017), rising; without any the whole budget is one cycle.
        guide: a network that is trained on the training images first, for the two below; None needs none.
        selected_share: share of the images to learn from, those that the guide found easiest; 1 is all.
        energy: how the distance from the real images, as the guide's features see it, enters the generator's loss; None
            leaves it out.
        start: digest of the trained generator whose weights are the first ones (:mod:`gan.training.start`); empty for
            random ones.
        start_discriminator: digest of the discriminator that goes on with it; empty for a new one.
        more_guides: networks that are trained like ``guide``, and whose features the distance is taken of, too.
        selected_evenly: every class keeps that share; false: ``selected_share`` of all images are kept, whatever their
            class, and those of the classes that keep fewer are shown more often.
        selected_by_all: the mean of all guides' margins says which images these are; false: the first guide's.
        head_start: steps at the beginning in which only the discriminator learns: a new one knows nothing that could
            guide a trained generator.
    """

    loss: str = "hinge"
    discriminator: str = "projection"
    discriminator_widths: tuple[int, ...] = (64, 128, 256)
    batch_size: int = 64
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    adam_betas: tuple[float, float] = (0.0, 0.9)
    label_smoothing: float = 0.0
    auxiliary_weight: float = 1.0
    ema_decay: float = 0.999
    augmentation: tuple[str, ...] = ()
    bf16: bool = True
    channels_last: bool = True
    method: str = "gan"
    kl_weight: float = 1.0
    reconstruction_weight: float = 1.0
    gradient_clip: float = 0.0
    dual_discriminator: bool = False
    weight_form: WeightForm = WeightForm()
    distillation: Distillation | None = None
    progressive: Progressive | None = None
    mode_seeking_weight: float = 0.0
    decay_from: float = 1.0
    guide: GuideSpec | None = None
    selected_share: float = 1.0
    energy: EnergySettings | None = None
    restarts: tuple[float, ...] = ()
    start: str = ""
    start_discriminator: str = ""
    more_guides: tuple[GuideSpec, ...] = ()
    selected_evenly: bool = True
    selected_by_all: bool = False
    head_start: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "discriminator_widths", tuple(self.discriminator_widths))
        object.__setattr__(self, "adam_betas", tuple(self.adam_betas))
        object.__setattr__(self, "augmentation", tuple(self.augmentation))
        object.__setattr__(self, "restarts", tuple(self.restarts))
        object.__setattr__(self, "more_guides", tuple(self.more_guides))
        self._check_losses()
        self._check_steps()
        self._check_schedule()
        self._check_method()
        self._check_guide()

    def _check_losses(self) -> None:
        if self.loss not in ADVERSARIAL_LOSSES:
            raise SpecError(f"loss must be one of {', '.join(ADVERSARIAL_LOSSES)}; got {self.loss!r}")
        if not 0 <= self.label_smoothing < 1:
            raise SpecError(f"label_smoothing must be in [0, 1); got {self.label_smoothing}")
        if self.label_smoothing and self.loss != "bce":
            raise SpecError(f"label_smoothing needs loss=bce; got loss={self.loss}")
        if self.auxiliary_weight < 0 or (self.auxiliary_weight and self.discriminator == "published"):
            raise SpecError(
                "auxiliary_weight must be non-negative, and 0 with the published discriminator, which has no class "
                f"head; got {self.auxiliary_weight} with discriminator={self.discriminator}"
            )
        for name in ("kl_weight", "reconstruction_weight", "gradient_clip", "mode_seeking_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SpecError(f"{name} must be finite and not negative; got {getattr(self, name)}")

    def _check_steps(self) -> None:
        if self.batch_size < 2:
            raise SpecError(f"batch_size must be at least 2 for batch normalisation; got {self.batch_size}")
        for name in ("generator_learning_rate", "discriminator_learning_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise SpecError(f"{name} must be positive and finite; got {value}")
        if not 0 <= self.ema_decay < 1:
            raise SpecError(f"ema_decay must be in [0, 1); got {self.ema_decay}")
        if unknown := set(self.augmentation) - set(POLICIES):
            raise SpecError(f"augmentation must be of {', '.join(POLICIES)}; got {sorted(unknown)}")

    def _check_schedule(self) -> None:
        if not 0 <= self.decay_from <= 1:
            raise SpecError(f"decay_from must be a share of a cycle, in [0, 1]; got {self.decay_from}")
        limits = (0.0, *self.restarts, 1.0)
        if not all(before < after for before, after in pairwise(limits)) or (self.restarts and self.decay_from == 1):
            raise SpecError(
                "restarts must rise within (0, 1), and need rates that fall (decay_from below 1); got "
                f"{list(self.restarts)} with decay_from={self.decay_from}"
            )
        if self.start_discriminator and not self.start:
            raise SpecError("a discriminator can only go on with its generator; give the start, too")

    def _check_method(self) -> None:
        if self.method not in METHODS:
            raise SpecError(f"method must be one of {', '.join(METHODS)}; got {self.method!r}")
        if self.head_start < 0 or (self.head_start and self.method != "gan"):
            raise SpecError(
                f"head_start must be a number of steps, and 0 but for method=gan; got {self.head_start} with "
                f"method={self.method}"
            )
        if self.method == "vae" and (
            self.distillation is not None or self.dual_discriminator or self.mode_seeking_weight
        ):
            raise SpecError(
                "method=vae has no discriminator and no teacher; got distillation, dual_discriminator or "
                "mode_seeking_weight"
            )
        if self.progressive is not None and (self.distillation is not None or self.method != "gan"):
            raise SpecError("progressive training needs method=gan and no distillation")
        if self.distillation is not None and self.distillation.feature_weight and self.method != "gan":
            raise SpecError(f"distillation of feature maps needs method=gan; got method={self.method}")

    def _check_guide(self) -> None:
        if not 0 < self.selected_share <= 1:
            raise SpecError(f"selected_share must be in (0, 1]; got {self.selected_share}")
        if (self.guide is not None) != (self.selected_share < 1 or self.energy is not None):
            raise SpecError(
                "a guide is needed for a selected_share below 1 and for energy, and for nothing else; got "
                f"guide={self.guide}, selected_share={self.selected_share}, energy={self.energy}"
            )
        if not self.selected_evenly and self.selected_share == 1:
            raise SpecError("selected_evenly=false is for a selected_share below 1; got 1, which keeps every image")
        if self.selected_by_all and (not self.more_guides or self.selected_share == 1):
            raise SpecError(
                "selected_by_all=true is for more_guides and a selected_share below 1; got one of them missing"
            )
        named = (*(() if self.guide is None else (self.guide,)), *self.more_guides)
        if self.more_guides and (self.energy is None or len(set(named)) < len(named)):
            raise SpecError(
                f"more_guides are for energy, and each must differ from the others; got {list(self.more_guides)} with "
                f"guide={self.guide} and energy={self.energy}"
            )
        if self.energy is not None and self.energy.guides_per_step >= max(1, len(named)):
            raise SpecError(
                f"energy.guides_per_step must be less than the {len(named)} guides, or 0 for all of them; got "
                f"{self.energy.guides_per_step}"
            )
        if self.energy is not None and (self.method == "vae" or self.progressive is not None):
            raise SpecError(
                "energy compares images that are drawn, at their full size; method=vae draws none and progressive "
                "training draws smaller ones: leave it out"
            )

    @property
    def follows_the_budget(self) -> bool:
        """Whether what a step does depends on the share of the budget that is spent."""
        return self.progressive is not None or self.weight_form.sparsity > 0 or self.decay_from < 1

    def decay_at(self, share: float) -> float:
        """Factor of the learning rates once ``share`` of the budget is spent."""
        begun = [0.0, *(restart for restart in self.restarts if restart <= share)]
        end = next((restart for restart in self.restarts if restart > share), 1.0)
        spent = (share - begun[-1]) / (end - begun[-1])
        return 1.0 if spent <= self.decay_from else (1.0 - spent) / (1.0 - self.decay_from)

    @property
    def form(self) -> dict[str, Any]:
        """Canonical form, as digests are taken of it."""
        return settled_form(self, _LATER_FIELDS)

    @property
    def digest(self) -> str:
        """sha256 of the canonical form: equal recipes, and only those, share it."""
        return json_digest(self.form)
