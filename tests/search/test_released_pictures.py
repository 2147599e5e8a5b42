"""Pictures of the models that come with the project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from search.released.pictures import save_beside_real


def test_pictures_show_each_class_in_a_row_of_its_own(tmp_path: Path) -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8)[torch.arange(16) % 2].reshape(16, 1, 1, 1).expand(16, 3, 8, 8)
    labels = torch.arange(40) % 2
    real = (255 * labels).to(torch.uint8).reshape(40, 1, 1, 1).expand(40, 3, 8, 8)
    save_beside_real(images, real, labels, ("dark", "bright"), tmp_path / "new" / "grid.png", seed=0)
    with Image.open(tmp_path / "new" / "grid.png") as picture:
        shown = np.asarray(picture.convert("L")).astype(int)
    above, below = np.array_split(shown, 2)
    for half in np.array_split(above, 2, axis=1):
        assert (half < 20).mean() > 0.05  # dark pictures, real and generated
    for half in np.array_split(below, 2, axis=1):
        assert (half < 20).mean() < 0.02
