import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from gan.data.decode import MAX_PIXELS, decode_all, decode_rgb, exact_array, square_array
from gan.errors import DataError


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decode(data: bytes) -> np.ndarray:
    image = decode_rgb(data, "here")
    assert image.mode == "RGB"
    return np.asarray(image)


def test_rgb_is_kept():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(decode(encode(Image.fromarray(pixels))), pixels)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "JPEG", "JPEG2000"])
def test_formats(kind):
    found = decode(encode(Image.new("RGB", (8, 8), (40, 40, 40)), kind))
    assert found.shape == (8, 8, 3)
    assert np.abs(found.astype(int) - 40).max() <= 2


def test_grey_and_bilevel_become_three_channels():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(decode(encode(Image.fromarray(grey))), np.repeat(grey[..., None], 3, axis=2))
    assert decode(encode(Image.new("1", (2, 2), 1))).tolist() == [[[255] * 3] * 2] * 2


def test_palette_colours_are_looked_up():
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putdata([0, 1, 0])
    assert decode(encode(image)).tolist() == [[[10, 20, 30], [200, 100, 0], [10, 20, 30]]]


def test_palette_transparency_is_laid_over_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.putdata([0, 1])
    assert decode(encode(image, transparency=0)).tolist() == [[[255, 255, 255], [200, 100, 0]]]


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (0, 100, 200, 255), [0, 100, 200]),
        ("RGBA", (0, 100, 200, 0), [255, 255, 255]),
        ("RGBA", (0, 100, 200, 51), [204, 224, 244]),
        ("LA", (0, 51), [204, 204, 204]),
    ],
)
def test_alpha_is_laid_over_white(mode, colour, expected):
    found = decode(encode(Image.new(mode, (2, 2), colour)))
    assert np.abs(found.astype(int) - np.array(expected)).max() <= 1


def test_16_bit_grey_is_scaled():
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    assert decode(encode(Image.fromarray(values)))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_rounded_to_the_nearest(kind):
    values = np.arange(2**16, dtype=np.uint16).reshape(256, 256)
    expected = np.round(values / 257.0).astype(np.uint8)
    assert np.array_equal(decode(encode(Image.fromarray(values), kind))[..., 1], expected)
    if kind == "TIFF":  # 32 bits, of which 16 are used
        assert np.array_equal(decode(encode(Image.fromarray(values.astype(np.int32)), kind))[..., 1], expected)


def test_16_bit_grey_takes_few_bytes_a_pixel():
    pixels = 2**20
    data = encode(Image.fromarray(np.zeros((2**10, 2**10), dtype=np.uint16)))
    decode(data)
    tracemalloc.start()
    try:
        decode_rgb(data, "here")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * pixels  # NumPy's and Python's, not Pillow's own


def test_cmyk_jpeg_becomes_rgb():
    found = decode(encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert found[4, 4, 0] > 200
    assert found[4, 4, 1] < 60


def test_first_frame_of_an_animation():
    frames = [Image.new("L", (2, 2), value) for value in (10, 200)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(data)[0, 0, 0] == 10


def test_camera_orientation_is_applied():
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to be upright
    found = decode(encode(Image.fromarray(pixels), exif=exif))
    assert found.shape == (3, 2, 3)
    assert np.argwhere(found[..., 0] == 255).tolist() == [[0, 1]]


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n broken", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_no_image_is_refused_by_name(data):
    with pytest.raises(DataError, match="cannot decode photos/a.png"):
        decode_rgb(data, "photos/a.png")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP"])
def test_truncated_images_are_refused(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(Image.fromarray(pixels), kind)
    with pytest.raises(DataError, match="cannot decode here"):
        decode_rgb(data[: len(data) // 2], "here")


def test_formats_that_start_other_programs_are_not_even_identified():
    with pytest.raises(DataError, match="UnidentifiedImageError"):
        decode_rgb(encode(Image.new("RGB", (8, 8)), "EPS"), "here")


def test_float_pixels_are_refused():
    with pytest.raises(DataError, match="found float pixels in here"):
        decode_rgb(encode(Image.new("F", (2, 2), 0.5), "TIFF"), "here")


def test_wide_integers_are_refused():
    with pytest.raises(DataError, match=r"0\.\.65535; found 70000\.\.70000 in here"):
        decode_rgb(encode(Image.new("I", (2, 2), 70000), "TIFF"), "here")


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [20_000, 60_000])
def test_decompression_bombs_are_refused(side):
    with pytest.raises(DataError, match=r"limit.*here"):
        decode_rgb(png_header(side, side), "here")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_that_pillow_only_warns_of_are_refused():
    with pytest.raises(DataError, match=r"at most 33554432 pixels.*found 10000x10000 in here"):
        decode_rgb(png_header(10_000, 10_000), "here")


def test_square_array_cuts_the_centre():
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[:, 2:6] = [10, 20, 30]
    assert np.array_equal(
        square_array(Image.fromarray(pixels), 4), np.full((3, 4, 4), 1, np.uint8) * [[[10]], [[20]], [[30]]]
    )
    tall = square_array(Image.fromarray(pixels.transpose(1, 0, 2)), 8)
    assert tall.shape == (3, 8, 8)
    assert tall[:, 4, 4].tolist() == [10, 20, 30]


def test_square_array_resizes_with_antialiasing():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    found = square_array(Image.fromarray(stripes), 8)[:, 2:-2, 2:-2].astype(int)
    assert np.abs(found - 127).max() <= 3


def test_exact_array_keeps_or_refuses():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    assert np.array_equal(exact_array(Image.fromarray(pixels), 4, "here"), pixels.transpose(2, 0, 1))
    with pytest.raises(DataError, match=r"must be 5x5; found 4x4 in here"):
        exact_array(Image.fromarray(pixels), 5, "here")


def test_decode_all_keeps_order_and_names_the_first_failure():
    def decode_number(number: int) -> np.ndarray:
        if number in (700, 1500, 1501):
            raise DataError(f"bad {number}")
        return np.full((3, 2, 2), number % 256, dtype=np.uint8)

    images = decode_all(range(600), decode_number, 2)
    assert images[:, 0, 0, 0].tolist() == [number % 256 for number in range(600)]
    assert decode_all([], decode_number, 2).shape == (0, 3, 2, 2)
    for _ in range(5):
        with pytest.raises(DataError, match="^bad 700$"):
            decode_all(range(2000), decode_number, 2)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_of_pixels_is_ours_or_pillows_if_lower(monkeypatch):
    assert MAX_PIXELS == 4096 * 8192
    with pytest.raises(DataError, match=r"at most 33554432 pixels.*found 4096x8193 in here"):
        decode_rgb(png_header(4096, 8193), "here")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(DataError, match=r"at most 33554432 pixels"):
        decode_rgb(png_header(4096, 8193), "here")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60)
    with pytest.raises(DataError, match=r"at most 60 pixels.*found 8x8 in here"):
        decode_rgb(png_header(8, 8), "here")


def test_another_size_is_refused_before_decoding():
    with pytest.raises(DataError, match=r"must be 32x32; found 4000x4000 in here"):
        decode_rgb(png_header(4000, 4000), "here", exact_size=32)  # it has no pixels that could be decoded
    with pytest.raises(DataError, match="cannot decode here"):
        decode_rgb(png_header(32, 32), "here", exact_size=32)
    assert decode_rgb(encode(Image.new("RGB", (32, 32))), "here", exact_size=32).size == (32, 32)
