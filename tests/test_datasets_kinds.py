"""The same picture gives the same numbers however it was saved, and the same names whoever wrote them, or one line."""

import io
import unicodedata

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from trees import save

from bench.datasets.cityscapes import Cityscapes
from bench.datasets.classes import read_classes
from bench.datasets.files import image_size, read_png, read_rgb, write_png
from bench.datasets.folder import Folder
from bench.datasets.kvasir import Kvasir
from bench.datasets.masks import Masks, read_two
from bench.datasets.names import by_name, name_of, read_list
from bench.datasets.pascal import Pascal
from bench.files import read_text
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow

COLOURS = np.array([[0, 0, 0], [64, 128, 0], [0, 0, 192], [250, 250, 0]], np.uint8)  # three classes, and void
LABELS = np.kron([[0, 1, 2], [2, VOID, 0]], np.ones((3, 2), np.uint8)).astype(np.uint8)
RGB = COLOURS[np.minimum(LABELS, 3)]
often = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def said(call, *args) -> str:
    with pytest.raises(InputError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def indexed(labels: np.ndarray, order: list[int]) -> Image.Image:
    """A palette image of ``labels`` whose palette has the colours of `COLOURS` in this order."""
    image = Image.fromarray(np.argsort(order)[np.minimum(labels, 3)].astype(np.uint8))
    image.putpalette(COLOURS[order].tobytes())
    return image


@often
@given(
    order=st.permutations(range(4)),
    mode=st.sampled_from(["P", "RGB", "RGBA"]),
    suffix=st.sampled_from([".png", ".tif", ".bmp"]),
    turn=st.sampled_from([1, 3, 6, 8]),
)
def test_colour_decides_in_any_mode_order_format_and_orientation(order, mode, suffix, turn, tmp_path):
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    turn = 1 if suffix == ".bmp" else turn
    exif[0x0112] = turn
    stored = np.rot90(LABELS, {1: 0, 3: 2, 6: 1, 8: -1}[turn])  # a viewer turns it back
    image = indexed(stored, list(order))
    image = image if mode == "P" else image.convert(mode)
    image.save(path, **{} if suffix == ".bmp" else {"exif": exif})
    np.testing.assert_array_equal(Masks(3, COLOURS).read(path), LABELS)
    assert image_size(path) == LABELS.shape


def grey_png(values: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2 or 4 bits, which Pillow does not write: a palette PNG that calls itself grey."""
    import struct
    import zlib

    rows = [np.pad(row, (0, -len(row) % (8 // bits))) for row in values]
    packed = [np.array(row).reshape(-1, 8 // bits) @ (1 << np.arange(8 - bits, -1, -bits)) for row in rows]
    data = zlib.compress(b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in packed))
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    chunks = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_is_the_value_that_is_stored(bits, tmp_path):
    values = (np.arange(35, dtype=np.uint8) % 2**bits).reshape(5, 7)
    (tmp_path / "a.png").write_bytes(grey_png(values, bits))
    np.testing.assert_array_equal(read_png(tmp_path / "a.png"), values)
    np.testing.assert_array_equal(Masks(16).read(tmp_path / "a.png"), values)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_ids_are_the_same_in_any_depth(kind, tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(LABELS.astype(kind)).save(path)
    np.testing.assert_array_equal(Masks(3).read(path), LABELS)
    for suffix in (".png", ".tif", ".BMP"):
        write_png(tmp_path / f"b{suffix}", LABELS, COLOURS[:3], tuple(COLOURS[3].tolist()))
        np.testing.assert_array_equal(Masks(3, COLOURS).read(tmp_path / f"b{suffix}"), LABELS)
        assert Image.open(tmp_path / f"b{suffix}").format == {".png": "PNG", ".tif": "TIFF", ".BMP": "BMP"}[suffix]


def test_two_readings_are_refused_and_both_are_named(tmp_path):
    one, two = tmp_path / "1.png", tmp_path / "2.png"
    indexed(LABELS, [2, 0, 1, 3]).save(one)
    save(two, np.minimum(LABELS, 2))
    by_colour = Masks(3, COLOURS)
    by_colour.read(one)
    assert "2.png: is read by id, but 1.png by colour" in said(by_colour.read, two)
    indexed(LABELS, [0, 1, 2, 3]).save(two)
    ids = Masks(4)
    ids.read(one)
    assert "2.png: index" in said(ids.read, two) and "1.png" in said(ids.read, two)
    greys = np.array([[0, 0, 0], [255, 255, 255], [9, 9, 9]], np.uint8)
    save(one, np.array([[0, 255]], np.uint8))
    assert "may be class ids or the greys" in said(Masks(2, greys).read, one)
    save(two, np.array([[0, 1]], np.uint8))
    mixed = Masks(2)
    for path in (one, two):
        mixed.read(path)
    assert "1.png: holds no 1 but 255" in said(mixed.check) and "2.png" in said(mixed.check)


def test_a_palette_that_half_agrees_is_refused(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette(np.array([[0, 0, 0], [0, 0, 192], [7, 7, 7]], np.uint8).tobytes())
    image.save(tmp_path / "a.png")
    assert "index 1 the colour of the class with id 2" in said(Masks(3, COLOURS).read, tmp_path / "a.png")


def test_masks_that_mean_nothing_are_one_line(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(np.dstack([RGB, LABELS])).save(path)
    assert "transparent" in said(Masks(3, COLOURS).read, path)
    Image.fromarray(np.full((4, 4), 0.5, np.float32)).save(path)
    assert "fraction" in said(Masks(3).read, path)
    pages = [Image.fromarray(LABELS)] * 2
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert "has 2 pages" in said(Masks(3).read, path) and "has 2 pages" in said(read_rgb, path)


@pytest.mark.parametrize("kind", ["L", "1", "0/1", "dark palette", "red", "16 bit", "RGBA"])
def test_a_mask_of_two_values_is_these_two(kind, tmp_path):
    mask = np.kron([[0, 1], [1, 0]], np.ones((4, 4), np.uint8)).astype(np.uint8)
    image = Image.fromarray(mask * np.uint8(255))
    if kind == "1":
        image = image.convert("1")
    elif kind == "16 bit":
        image = Image.fromarray(mask.astype(np.uint16) * 65535)
    elif kind in ("0/1", "dark palette"):
        image = Image.fromarray(mask)
        if kind == "dark palette":
            image.putpalette([0, 0, 0, 64, 0, 0])
    elif kind in ("red", "RGBA"):
        image = Image.fromarray(mask[..., None] * np.array([255, 0, 0], np.uint8)).convert(kind.replace("red", "RGB"))
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_two(tmp_path / "a.png"), mask)


def test_a_dark_mask_of_several_values_is_refused(tmp_path):
    save(tmp_path / "a.png", np.array([[0, 3, 9]], np.uint8))
    assert "brightest value is 9 of 255" in said(read_two, tmp_path / "a.png")


def test_images_of_more_bits_are_scaled_by_the_rule(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for name, array in (("a.png", grey.astype(np.uint16) * 257), ("b.tif", grey / np.float32(255))):
        Image.fromarray(array).save(tmp_path / name)
        np.testing.assert_array_equal(read_rgb(tmp_path / name), np.dstack([grey] * 3))
    Image.fromarray(np.float32([[0, 300]])).save(tmp_path / "c.tif")
    assert "go from 0 to 300" in said(read_rgb, tmp_path / "c.tif")


def test_a_large_image_is_refused_with_what_to_do(tmp_path, monkeypatch):
    save(tmp_path / "a.png", np.zeros((10, 20), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    for read in (read_rgb, Masks(2).read, image_size):
        assert "larger than 100 pixels: cut it, and its mask, into tiles" in said(read, tmp_path / "a.png")


NAMES = ["a", "café b", "x.y", "IMG_01"]


@often
@given(
    mark=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    form=st.sampled_from(["NFC", "NFD"]),
    suffix=st.sampled_from(["", ".jpg", ".JPG", ".png"]),
    place=st.sampled_from(["", "JPEGImages/", "C:\\data\\images\\", "/data/"]),
)
def test_a_list_names_the_same_images_whoever_wrote_it(mark, end, form, suffix, place, tmp_path):
    text = end.join(unicodedata.normalize(form, place + name + suffix) for name in NAMES) + end
    (tmp_path / "train.txt").write_bytes((b"\xef\xbb\xbf" if mark else b"") + text.encode())
    assert read_list(tmp_path / "train.txt", NAMES) == tuple(sorted(NAMES))


def test_lists_of_pairs_are_lists_and_other_lines_are_refused(tmp_path):
    path = tmp_path / "train.txt"
    path.write_text("train/a.png trainannot/a.png\nb.jpg,b.png\n")
    assert read_list(path) == ("a", "b")
    path.write_text("a\nb -1\n")
    assert "line 2: expected the name of one image" in said(read_list, path)
    assert name_of("a.v2") == "a.v2" and name_of("a.png", ["a.png"]) == "a.png"


def test_foreign_files_are_no_images_in_any_dataset(pascal_root, kvasir_root, cityscapes_root, folder_root, tmp_path):
    kinds = ((Pascal, pascal_root), (Kvasir, kvasir_root), (Cityscapes, cityscapes_root), (Folder, folder_root))
    for kind, root in kinds:
        before = kind(root).names("train")
        for path in [*root.rglob("*.png"), *root.rglob("*.jpg")]:
            (path.parent / f"._{path.name}").write_bytes(b"metadata")
            (path.parent / "Thumbs.db").write_bytes(b"pictures")
        for path in [p for p in root.rglob("*.png") if not p.name.startswith(".")]:
            path.rename(path.with_suffix(".PNG"))
        assert kind(root).names("train") == before
        kind(root).check("train")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / unicodedata.normalize("NFD", "é.PNG")).write_bytes(b"")
    assert list(by_name(tmp_path / "x", (".png",))) == ["é"]


@often
@given(
    mark=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    form=st.sampled_from(["NFC", "NFD"]),
    line=st.sampled_from(
        ["{n} {r} {g} {b}", "{n},{r},{g},{b}", "{r} {g} {b}\t{n}", "{n}:{r},{g},{b}::", "{i} {n} {r} {g} {b}"]
    ),
    head=st.sampled_from(["", "# label:color_rgb:parts:actions"]),
    ground=st.sampled_from(["background", "Background", "__background__", "_background_"]),
)
def test_classes_are_the_same_whoever_wrote_them(mark, end, form, line, head, ground, tmp_path):
    rows = [(ground, (0, 0, 0)), ("café table", (1, 2, 3)), ("dog", (9, 0, 200))]
    lines = [line.format(i=i, n=name, r=c[0], g=c[1], b=c[2]) for i, (name, c) in enumerate(rows)]
    text = unicodedata.normalize(form, end.join([head, *lines]))
    (tmp_path / "classes.txt").write_bytes((b"\xef\xbb\xbf" if mark else b"") + text.encode())
    found = read_classes(tmp_path / "classes.txt")
    assert found.names == (ground, "café table", "dog") and found.background == 0
    assert found.palette.tolist() == [list(c) for _, c in rows]


@pytest.mark.parametrize(
    "text, line, part",
    [
        ("__ignore__\n_background_\ncat\n", 1, "is no class"),
        ("a\nvoid\nb\n", 2, "is no class"),
        ("a\nunlabeled\n", 2, "is no class"),
        ("Background\nbackground\ncat\n", 2, "both the background"),
        ("0 a\n2 b\n", 2, "expected 1"),
        ("a\n17\n", 2, "expected the name"),
        ("a\nb\u200bc\n", 2, "cannot be seen"),
        ("a 1 2 3\nb 1 2 3\n", 2, "has the colour 1 2 3 of 'a'"),
    ],
)
def test_a_line_that_is_no_class_is_refused_with_its_number(text, line, part, tmp_path):
    (tmp_path / "classes.txt").write_text(text, encoding="utf-8")
    found = said(read_classes, tmp_path / "classes.txt")
    assert f"classes.txt, line {line}: " in found and part in found


def test_text_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes("é\n".encode("utf-16"))
    assert "not readable as UTF-8 text" in said(read_text, tmp_path / "a.txt")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), byte=st.integers(0, 255), suffix=st.sampled_from(["PNG", "TIFF", "BMP"]))
def test_a_changed_byte_of_a_mask_is_a_line_or_a_label_map(place, byte, suffix, tmp_path):
    file = io.BytesIO()
    indexed(LABELS, [0, 1, 2, 3]).save(file, format=suffix)
    data = bytearray(file.getvalue())
    data[place % len(data)] = byte
    (tmp_path / "a.png").write_bytes(data)
    try:
        assert Masks(3, COLOURS).read(tmp_path / "a.png").dtype == np.uint8
    except InputError as error:
        assert "\n" not in str(error)
