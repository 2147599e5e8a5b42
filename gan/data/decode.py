"""Encoded images to RGB arrays, with every failure of Pillow mapped to one DataError."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from gan.errors import DataError

# Named, because Pillow would otherwise also try formats that start other programs (EPS runs Ghostscript).
IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")
MAX_PIXELS = 2**25
"""The most pixels an image may have, those of a camera of 33 megapixels: under half a gigabyte for each thread."""
_CHUNK = 256
_WHITE = (255, 255, 255, 255)

ByteArray = npt.NDArray[np.uint8]
Item = TypeVar("Item")


def decode_rgb(data: bytes, where: str, *, exact_size: int | None = None) -> Image.Image:
    """Decode one image file to an RGB Pillow image, upright.

    The first frame of an animation is taken; the camera's orientation tag is applied; transparency is laid over white;
    grey becomes three equal channels; 16-bit grey is scaled to 8 bits.

    Args:
        data: the encoded file.
        where: what to call it in an error: a path, or a file and a row.
        exact_size: the side that the image, a square, must have; None takes any size. It is compared with what the
            file declares, before a pixel is decoded.

    Raises:
        DataError: not an image of :data:`IMAGE_FORMATS`, damaged, of more pixels than :data:`MAX_PIXELS` or Pillow's
            limit ``Image.MAX_IMAGE_PIXELS`` (a decompression bomb), of another size than ``exact_size``, or of float
            pixels, which have no known range.

    """
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            limit = min(Image.MAX_IMAGE_PIXELS or MAX_PIXELS, MAX_PIXELS)
            if image.width * image.height > limit:
                raise DataError(
                    f"an image must have at most {limit} pixels (a limit against decompression bombs); "
                    f"found {image.width}x{image.height} in {where}; shrink or remove it"
                )
            if exact_size is not None:
                _check_exact_size(image, exact_size, where)
            return _to_rgb(ImageOps.exif_transpose(image), where)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"an image must stay within Pillow's pixel limit; {where}: {error}; remove it") from error
    # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error, IndexError and more on damage.
    except Exception as error:
        raise DataError(
            f"an image must be one of {', '.join(IMAGE_FORMATS)} and undamaged; cannot decode {where}: "
            f"{type(error).__name__}: {error}; replace or remove it"
        ) from error


def _to_rgb(image: Image.Image, where: str) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "F":
        raise DataError(f"pixels must be integers; found float pixels in {where}; convert it to 8 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise DataError(f"grey pixels must lie in 0..65535; found {values.min()}..{values.max()} in {where}")
        return Image.fromarray(_scaled_to_bytes(values.astype(np.uint16))).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba).convert("RGB")
    return image.convert("RGB")


def _scaled_to_bytes(values: npt.NDArray[np.uint16]) -> ByteArray:
    """Divide by 257 and round to the nearest integer; changes ``values``, because a copy of a large image is large."""
    np.minimum(values, 65535 - 128, out=values)  # what is above becomes 255 as well, and the sum below would overflow
    values += 128
    values //= 257
    return values.astype(np.uint8)


def _check_exact_size(image: Image.Image, image_size: int, where: str) -> None:
    if image.size != (image_size, image_size):
        raise DataError(
            f"images of this layout must be {image_size}x{image_size}; found {image.width}x{image.height} in {where}; "
            "use image_folder for images of any size"
        )


def square_array(image: Image.Image, image_size: int) -> ByteArray:
    """Cut the largest centred square out of an RGB image and resize it (bicubic, antialiased).

    Returns:
        uint8 ``[3, image_size, image_size]``.

    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if side == image_size:
        square = image.crop(box)
    else:
        square = image.resize((image_size, image_size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(square, dtype=np.uint8).transpose(2, 0, 1)


def exact_array(image: Image.Image, image_size: int, where: str) -> ByteArray:
    """Return an RGB image that must already be square of ``image_size`` as uint8 ``[3, image_size, image_size]``.

    Raises:
        DataError: another size.

    """
    _check_exact_size(image, image_size, where)
    return np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)


def decode_all(items: Sequence[Item], decode: Callable[[Item], ByteArray], image_size: int) -> ByteArray:
    """Decode every item in a pool of threads (Pillow frees the interpreter while it decodes and resizes).

    Args:
        items: what to decode, in order.
        decode: makes uint8 ``[3, image_size, image_size]`` of one item; must be safe to call from threads.
        image_size: side of the images, pixels.

    Returns:
        uint8 ``[len(items), 3, image_size, image_size]`` in the order of ``items``.

    Raises:
        DataError: from ``decode``, for the first bad item in order.

    """
    Image.init()  # loads the format plugins once, before threads would race to do it
    images = np.empty((len(items), 3, image_size, image_size), dtype=np.uint8)

    def decode_chunk(start: int) -> None:
        for index in range(start, min(start + _CHUNK, len(items))):
            images[index] = decode(items[index])

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        futures = [pool.submit(decode_chunk, start) for start in range(0, len(items), _CHUNK)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return images
