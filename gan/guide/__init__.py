"""A network that guides training: it picks the images to learn from, and sees how generated ones differ from them.

It is trained on the training images alone and never scores: the scoring networks are others, built and trained apart.
"""

from gan.guide.energy import EnergyDistance, EnergySettings
from gan.guide.files import guide_key, load_or_train_guide, restored_guide
from gan.guide.network import GuideNetwork
from gan.guide.selection import evened, selected
from gan.guide.several import SeveralDistances, guided_distance
from gan.guide.spec import GuideSpec
from gan.guide.train import Guide, train_guide

__all__ = [
    "EnergyDistance",
    "EnergySettings",
    "Guide",
    "GuideNetwork",
    "GuideSpec",
    "SeveralDistances",
    "evened",
    "guide_key",
    "guided_distance",
    "load_or_train_guide",
    "restored_guide",
    "selected",
    "train_guide",
]
