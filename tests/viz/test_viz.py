"""Pictures: colours by hand; figures open, have a sane size, and stay small and free of global state."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tinyseg
from tinyseg import nn, viz
from tinyseg.data import Classes, Shapes
from tinyseg.metrics import ConfusionMatrix
from tinyseg.viz import colorize, overlay, save_curves, save_predictions, voc_palette
from tinyseg.viz.boxes import Box, save_boxes
from tinyseg.viz.layout import layered, layers
from tinyseg.viz.tape import _Graph

BLUE, ORANGE, VERMILLION = (0, 114, 178), (230, 159, 0), (213, 94, 0)
TWO = Classes(("ground", "thing"), ((0, 0, 0), (200, 100, 0)), void_color=(9, 9, 9))


def pixels(path: Path) -> np.ndarray:
    """The picture (H, W, 3), in integers that can be subtracted."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def near(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where the picture has the colour, as well as 256 colours can say it."""
    return np.abs(picture - color).sum(2) < 24


def runs(line: np.ndarray) -> int:
    """How many unbroken runs of True there are."""
    return int((np.diff(np.concatenate([[0], line.astype(int)])) == 1).sum())


def test_colorize() -> None:
    assert colorize(np.array([[0, 1, 255]]), TWO).tolist() == [[[0, 0, 0], [200, 100, 0], [9, 9, 9]]]
    with pytest.raises(ValueError, match="none of 2 classes"):
        colorize(np.array([[2]]), TWO)
    with pytest.raises(ValueError, match=r"integer mask \(H, W\), got float64"):
        colorize(np.zeros((2, 2)), TWO)


def test_overlay_mixes_colours_and_leaves_ignored_pixels() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    mask = np.array([[0, 1, 255]])
    assert overlay(image, mask, TWO, alpha=0.25).tolist() == [[[75] * 3, [125, 100, 75], [100] * 3]]
    np.testing.assert_array_equal(overlay(image, mask, TWO, alpha=0), image)
    as_float = np.full((1, 3, 1), 100 / 255, np.float32)
    np.testing.assert_array_equal(overlay(as_float, mask, TWO), overlay(image, mask, TWO))
    with pytest.raises(ValueError, match="alpha must be 0 to 1"):
        overlay(image, mask, TWO, alpha=2)
    with pytest.raises(ValueError, match=r"the image is \(1, 3\) but the mask \(3, 1\)"):
        overlay(image, mask.T, TWO)


def test_the_palette_is_here_too() -> None:
    assert voc_palette(3).tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def test_predictions_of_six_shapes_make_a_small_file(tmp_path: Path) -> None:
    shapes = Shapes("val")
    samples = []
    for index in range(6):
        image, mask = shapes[index][:2]
        truth = mask.copy()
        truth[:9, :9] = 255
        samples.append((image, truth, mask))
    path = tmp_path / "predictions.png"
    save_predictions(path, samples, shapes.classes)
    assert path.stat().st_size < 300_000
    with Image.open(path) as picture:
        shown = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert picture.height > picture.width > 400
    for color in shapes.classes.colors[1:]:
        assert np.abs(shown.astype(int) - color).sum(1).min() < 20, "the class's colour is in the picture"
    with pytest.raises(ValueError, match="no samples"):
        save_predictions(path, [], shapes.classes)


def test_predictions_of_wide_grey_images_of_different_sizes(tmp_path: Path) -> None:
    samples = []
    for size in ((20, 40), (30, 30)):
        mask = np.zeros(size, np.int64)
        samples.append((np.full((*size, 1), 0.5, np.float32), mask, mask))
    save_predictions(tmp_path / "grey.png", samples, TWO)
    assert (tmp_path / "grey.png").stat().st_size > 1000


def test_curves_from_texts_and_gaps(tmp_path: Path) -> None:
    rows = [
        {"epoch": "1", "train_loss": "1.5", "val_loss": "1.7", "mean_iu": "0.2", "pixel_accuracy": "0.5"},
        {"epoch": "2", "train_loss": "0.9", "val_loss": "", "mean_iu": "", "pixel_accuracy": None},
        {"epoch": 3, "train_loss": 0.7, "val_loss": 0.8, "mean_iu": 0.6},
    ]
    for count in (1, 3):
        path = tmp_path / f"{count}.png"
        save_curves(path, rows[:count])
        with Image.open(path) as picture:
            assert picture.width > 2 * picture.height
    save_curves(tmp_path / "no_scores.png", [{"epoch": 1, "train_loss": 2.0}])
    with pytest.raises(ValueError, match="no epochs"):
        save_curves(tmp_path / "none.png", [])


def test_curves_of_one_epoch_have_one_tick_and_show_all_points(tmp_path: Path) -> None:
    row = {"epoch": 1, "train_loss": 1.0, "val_loss": 1.2, "mean_iu": 0.2, "pixel_accuracy": 0.7}
    save_curves(tmp_path / "one.svg", [row])
    drawn = (tmp_path / "one.svg").read_text()
    # matplotlib numbers the ticks of both x axes in one sequence, and writes each label's text into a comment.
    assert drawn.count("<!-- 1 -->") == 2
    assert not any(f"<!-- 0.9{digit} -->" in drawn or f"<!-- 1.0{digit} -->" in drawn for digit in range(1, 10))
    save_curves(tmp_path / "one.png", [row])
    losses = pixels(tmp_path / "one.png")[:, :500]
    # The legend's sample and the point of each line; the point of the larger loss is not on the picture's edge.
    for color in (BLUE, ORANGE):
        rows = near(losses, color).any(1)
        assert runs(rows) == 2
        assert not rows[:15].any()


# Palettes and maps


def test_palettes() -> None:
    assert viz.palette("voc", 21).tolist() == voc_palette(21).tolist()
    # Okabe and Ito's eight, as their page prints them in decimal.
    published = [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115]]
    published += [[240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167]]
    assert viz.palette("okabe-ito", 8).tolist() == published
    assert viz.palette("gray", 1).tolist() == [[0, 0, 0]]
    ends = viz.palette("viridis", 2).tolist()
    assert ends == [[68, 1, 84], [253, 231, 36]]  # as matplotlib's page shows the map: #440154 to #fde724
    lightness = viz.palette("viridis", 9) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 5).all()
    for name, count in (("okabe-ito", 9), ("gray", 0), ("voc", 257)):
        with pytest.raises(ValueError, match=f"{name} has 1 to"):
            viz.palette(name, count)
    with pytest.raises(ValueError, match="unknown palette 'jet'; there are voc, okabe-ito, viridis, gray"):
        viz.palette("jet", 3)


def test_heatmap_has_the_ends_of_its_scale_and_grey_for_no_number() -> None:
    low, high, grey = [68, 1, 84], [253, 231, 36], [160] * 3
    values = tinyseg.tensor([[0.0, 5.0], [10.0, float("nan")]])
    shown = viz.heatmap(values)
    assert shown.dtype == np.uint8
    assert [shown[0, 0].tolist(), shown[1, 0].tolist(), shown[1, 1].tolist()] == [low, high, grey]
    clipped = viz.heatmap(values, low=4, high=6)
    assert [clipped[0, 0].tolist(), clipped[1, 0].tolist()] == [low, high]
    assert viz.heatmap(np.full((2, 2), 7.0)).tolist() == [[low] * 2] * 2
    assert viz.heatmap(np.full((1, 1), np.inf)).tolist() == [[grey]]
    with pytest.raises(ValueError, match="low must not be above high, got 2 and 1"):
        viz.heatmap(values, low=2, high=1)
    with pytest.raises(ValueError, match=r"expected numbers \(H, W\), got shape \(3,\)"):
        viz.heatmap(np.zeros(3))


def test_a_diverging_heatmap_is_white_at_0_and_symmetric() -> None:
    (blue, white, red), (faint, *_) = viz.heatmap(np.array([[-2.0, 0.0, 2.0], [0.5, 0, 0]]), diverging=True).astype(
        int
    )
    assert white.min() > 240
    assert blue[2] > blue[0] + 50
    assert red[0] > red[2] + 50
    assert faint[0] > faint[2] > red[2]
    assert viz.heatmap(np.zeros((1, 1)), diverging=True).min() > 240
    with pytest.raises(ValueError, match="symmetric about 0; give high alone"):
        viz.heatmap(np.zeros((1, 1)), low=0, diverging=True)


def test_feature_maps_are_read_row_by_row_each_on_its_own_scale() -> None:
    activation = np.zeros((5, 16, 24))
    activation[0, 0, 0] = 1e-3
    activation[4, 15, 23] = 1e3
    sheet = viz.feature_maps(tinyseg.tensor(activation), columns=3)
    # Three times enlarged to 48 x 72, and two pixels between them: 2 rows of 3.
    assert sheet.shape == (2 * 48 + 2, 3 * 72 + 2 * 2, 3)
    bright = (sheet == [253, 231, 36]).all(2)
    assert bright[:3, :3].all()
    assert bright[50 + 45 :, 74 + 69 : 74 + 72].all()
    assert bright.sum() == 18
    assert (sheet[50:, 148:] == 255).all(), "the place of the sixth is empty"
    assert viz.feature_maps(activation).shape[1] == 2 * 72 + 2, "3 rows of 2 are nearly square"
    with pytest.raises(ValueError, match=r"expected \(C, H, W\) of one image"):
        viz.feature_maps(np.zeros((1, 2, 3, 4)))


def test_filters_of_colours_and_of_planes() -> None:
    weight = np.zeros((2, 3, 1, 1))
    weight[0, 0] = 0.5  # red alone
    weight[1] = -4
    sheet = viz.filters(tinyseg.tensor(weight))
    assert sheet.shape == (24, 50, 3)
    assert sheet[0, 0].tolist() == [255, 128, 128]
    assert sheet[0, -1].tolist() == [0, 0, 0]
    planes = viz.filters(np.array([[[[1.0]], [[0.0]]], [[[-0.5]], [[0.0]]], [[[0.0]], [[0.0]]]])).astype(int)
    assert planes.shape == (3 * 24 + 4, 2 * 24 + 2, 3), "a row for each output, a column for each input"
    assert planes[0, 0, 0] > planes[0, 0, 2] + 50
    assert planes[26, 0, 2] > planes[26, 0, 0] + 50
    assert planes[0, 26].min() > 240
    assert planes[24, 0].max() < 100
    with pytest.raises(ValueError, match=r"expected a weight \(O, I, kh, kw\)"):
        viz.filters(np.zeros((3, 3)))


# Figures


def test_lines_bars_and_rates_refuse_what_cannot_be_drawn(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    with pytest.raises(ValueError, match="no lines"):
        viz.save_lines(path, {}, "x", "y")
    with pytest.raises(ValueError, match=r"'a' needs x and y of one length, got \(2,\) and \(3,\)"):
        viz.save_lines(path, {"a": ([1, 2], [1, 2, 3])}, "x", "y")
    with pytest.raises(ValueError, match="no bars"):
        viz.save_bars(path, {}, "x")
    with pytest.raises(ValueError, match="at most 6 different bars can be told apart, got 7"):
        viz.save_bars(path, {"a": {str(i): 1.0 for i in range(7)}}, "x")
    with pytest.raises(ValueError, match="no rates"):
        viz.save_rates(path, [], [])
    assert not path.exists()


def test_lines_have_their_colours_and_dashes(tmp_path: Path) -> None:
    path = tmp_path / "lines.png"
    x = np.arange(100)
    viz.save_lines(
        path, {"solid": (x, 0 * x), "dashed": (tinyseg.tensor(x), 0 * x + 1)}, "x", "y", low=-0.5, high=1.5
    )
    picture = pixels(path)
    line = {color: near(picture, color)[:, :600].sum(1).argmax() for color in (BLUE, VERMILLION)}
    assert line[VERMILLION] < line[BLUE], "1 is above 0"
    assert runs(near(picture, BLUE)[line[BLUE]]) == 1
    assert runs(near(picture, VERMILLION)[line[VERMILLION]]) > 10


def test_whole_numbers_of_x_have_no_ticks_between_them(tmp_path: Path) -> None:
    for last, between in ((3, False), (2.5, True)):
        viz.save_lines(tmp_path / "lines.svg", {"a": ([1, 2, last], [0.0, 10.0, 30.0])}, "epoch", "y")
        drawn = (tmp_path / "lines.svg").read_text()
        assert "<!-- 2 -->" in drawn or "<!-- 2.0 -->" in drawn
        assert (re.search(r"<!-- \d\.\d*[1-9]\d* -->", drawn) is not None) == between


def test_bars_are_as_long_as_their_values(tmp_path: Path) -> None:
    path = tmp_path / "bars.png"
    viz.save_bars(path, {"a": {"one": 40.0}, "b": {"one": 10.0}, "c": {"one": float("nan")}}, "x", high=50)
    blue = near(pixels(path), BLUE)
    lengths = blue.sum(1)
    long, short = lengths.max(), lengths[(lengths > 0) & (lengths < lengths.max() / 2)].max()
    assert long / short == pytest.approx(4, rel=0.03)
    assert runs(blue.any(1)) == 2


def test_shares_are_drawn_to_a_linear_scale(tmp_path: Path) -> None:
    """A bar of 1 % is a 90th of one of 90 %, which it is not on a logarithmic axis."""
    classes = Classes.named(["ground", "cyclist", "nowhere"])
    viz.save_class_shares(tmp_path / "shares.png", {"train": [0.9, 0.1, 0]}, classes)
    lengths = near(pixels(tmp_path / "shares.png"), BLUE).sum(1)
    assert lengths.max() / lengths[(lengths > 0) & (lengths < lengths.max() / 2)].max() == pytest.approx(9, rel=0.05)
    viz.save_class_shares(tmp_path / "shares.svg", {"train": [0.9, 0.1, 0], "val": [0.99968, 0.00032, 0]}, classes)
    drawn = (tmp_path / "shares.svg").read_text()
    for text in ("90 %", "0.032 %", "cyclist", "train", "val"):
        assert f"<!-- {text} -->" in drawn
    assert "nowhere" not in drawn
    with pytest.raises(ValueError, match="2 shares of train for 3 classes"):
        viz.save_class_shares(tmp_path / "none.png", {"train": [1, 0]}, classes)


def test_a_sheet_has_titles_labels_gaps_and_only_the_classes_that_occur(tmp_path: Path) -> None:
    image, mask = np.full((20, 30, 3), 200, np.uint8), np.zeros((20, 30), np.int64)
    rows = [[image, mask], [None, mask]]
    viz.save_pictures(tmp_path / "sheet.svg", rows, ["photo", "truth"], ["first", "second"], TWO)
    drawn = (tmp_path / "sheet.svg").read_text()
    assert all(f"<!-- {text} -->" in drawn for text in ("photo", "truth", "first", "second", "ground"))
    assert "<!-- thing -->" not in drawn
    viz.save_pictures(tmp_path / "no_mask.svg", [[image]], classes=TWO)
    assert "<!-- thing -->" in (tmp_path / "no_mask.svg").read_text(), "an overlay, say, may have all of them"
    viz.save_pictures(tmp_path / "sheet.png", rows, classes=TWO)
    picture = pixels(tmp_path / "sheet.png")
    black, grey = near(picture, (0, 0, 0)), near(picture, (200, 200, 200))
    assert 0.9 < grey.sum() / (black.sum() / 2) < 1.1, "one image and two masks of one size"
    for width in (1, 9):
        viz.save_pictures(tmp_path / "wide.png", [[image] * width])
        assert pixels(tmp_path / "wide.png").shape[1] <= 1250


def test_a_sheet_s_long_titles_are_wrapped(tmp_path: Path) -> None:
    image = np.full((20, 20, 3), 200, np.uint8)
    viz.save_pictures(tmp_path / "sheet.svg", [[image] * 2], ["mask: borders are background", "weights: dark is 1"])
    drawn = (tmp_path / "sheet.svg").read_text()
    assert "<!-- mask: borders are background -->" not in drawn
    assert "<!-- mask: borders are" in drawn
    assert "<!-- weights: dark is 1 -->" in drawn
    viz.save_pictures(tmp_path / "label.png", [[image] * 2] * 2, labels=["a label of some length", ""])
    margin = pixels(tmp_path / "label.png")[:, :2]
    assert (margin == 255).all(), "not cut off at the left"
    viz.save_pictures(tmp_path / "narrow.png", [[image] * 2], labels=["two\nlines"])
    viz.save_pictures(tmp_path / "wide.png", [[image] * 2], labels=["two lines"])
    assert pixels(tmp_path / "narrow.png").shape[1] < pixels(tmp_path / "wide.png").shape[1]


def test_a_sheet_refuses_what_does_not_fit(tmp_path: Path) -> None:
    image, mask = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.int64)
    for rows, options, message in (
        ([], {}, "no pictures"),
        ([[image], []], {}, r"rows of one length are expected, got \[1, 0\]"),
        ([[image]], {"titles": ["a", "b"]}, "expected 1 titles, got 2"),
        ([[image]], {"labels": []}, "expected 1 labels, got 0"),
        ([[mask]], {}, "needs classes"),
        ([[np.zeros((4, 4))]], {}, r"got float64 \(4, 4\); heatmap"),
    ):
        with pytest.raises(ValueError, match=message):
            viz.save_pictures(tmp_path / "none.png", rows, **options)


def test_the_confusion_matrix_is_dark_where_classes_are_right(tmp_path: Path) -> None:
    classes = Classes.named(["ground", "tree", "absent"])
    matrix = ConfusionMatrix(3)
    matrix.update([0] * 10 + [1] * 9 + [0], [0] * 10 + [1] * 10)
    viz.save_confusion(tmp_path / "confusion.svg", matrix, classes)
    drawn = (tmp_path / "confusion.svg").read_text()
    # 10 of 10 and 9 of 10: rows are percentages of the truth.
    for text in ("100", "0", "10.0", "90.0", "ground", "tree", "95.0% of 20 pixels are right"):
        assert f"<!-- {text} -->" in drawn
    assert "absent" not in drawn
    viz.save_confusion(tmp_path / "confusion.png", matrix.matrix, classes)
    picture = pixels(tmp_path / "confusion.png")
    assert near(picture, (8, 48, 107)).sum() > 5000, "the darkest of the blues fills one cell"
    with pytest.raises(ValueError, match=r"expected counts \(3, 3\) of 3 classes, got \(2, 2\)"):
        viz.save_confusion(tmp_path / "none.png", np.eye(2), classes)
    with pytest.raises(ValueError, match="nothing was counted"):
        viz.save_confusion(tmp_path / "none.png", ConfusionMatrix(3), classes)


def test_fields_are_outlined_where_they_are(tmp_path: Path) -> None:
    heat = np.zeros((9, 9))
    heat[2:5, 3:8] = [[0.01, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 1, 1]]
    viz.save_field(tmp_path / "field.svg", {"a layer": heat, "nothing": np.zeros((9, 9))}, "seen")
    drawn = (tmp_path / "field.svg").read_text()
    for text in ("a layer: 3 x 5 pixels", "nothing: no pixel", "seen"):
        assert f"<!-- {text} -->" in drawn
    viz.save_field(tmp_path / "field.png", tinyseg.tensor(heat))
    outline = near(pixels(tmp_path / "field.png"), VERMILLION)
    rows, columns = np.flatnonzero(outline.any(1)), np.flatnonzero(outline.any(0))
    assert (columns[-1] - columns[0]) / (rows[-1] - rows[0]) == pytest.approx(5 / 3, rel=0.05)
    for wrong in (np.full((2, 2), -1.0), np.zeros(3), np.array([[np.nan]]), {"a": np.zeros((0, 3))}):
        with pytest.raises(ValueError, match=r"expected finite numbers \(H, W\), 0 or more"):
            viz.save_field(tmp_path / "none.png", wrong)


# The tape


def test_boxes_stand_in_layers_before_what_they_lead_to() -> None:
    #  0 -> 1 -> 3, 2 -> 3 and 0 -> 3: the parameter 2 stands beside 1, right before 3.
    arrows = [(0, 1), (1, 3), (2, 3), (0, 3)]
    assert layers(4, arrows) == [0, 1, 1, 2]
    found = layered([(1.0, 1.0)] * 4, arrows, gap=0.5, between=1.0)
    assert [along for _, along in found.places] == [0.5, 2.5, 2.5, 4.5]
    assert abs(found.places[1][0] - found.places[2][0]) >= 1.5
    assert [len(way) for way in found.passes] == [0, 0, 0, 2], "one arrow passes a layer, in and out"


def test_no_boxes_overlap_and_few_arrows_cross() -> None:
    # A ladder: two chains side by side, which can be drawn without a crossing however they are numbered.
    generator = np.random.default_rng(3)
    names = generator.permutation(20)
    arrows = [(int(names[i]), int(names[i + 2])) for i in range(18)]
    found = layered([(1.0, 0.5)] * 20, arrows, gap=0.2, between=0.5)
    for one in range(20):
        for other in range(one):
            (a, b), (c, d) = found.places[one], found.places[other]
            assert abs(a - c) >= 1.2 - 1e-9 or abs(b - d) >= 1.0 - 1e-9
    for start, end in arrows:
        assert found.places[start][0] == pytest.approx(found.places[end][0], abs=0.01), "chains are straight"


def test_the_graph_of_a_tape_is_what_was_computed() -> None:
    a, b = (tinyseg.tensor([value], requires_grad=True) for value in (2.0, -3.0))
    product = a * b
    result = (product + a).tanh()
    result.backward()
    graph = _Graph(result, {"a": a, "b": b, "ab": product}, {"ab": tinyseg.tensor([0.5])})
    texts = [box.text for box in graph.boxes]
    tanh = np.tanh(-4)  # d tanh = 1 - tanh^2, and a goes in twice: (b + 1) of it
    slope = 1 - tanh**2
    assert sorted(texts) == sorted(
        [
            "Add",
            "Multiply",
            "Tanh",
            f"a = 2\ngrad {-2 * slope:.4g}",
            f"b = -3\ngrad {2 * slope:.4g}",
            "ab = -6\ngrad 0.5",
            f"result = {tanh:.4g}",
        ]
    )
    names = [text.split()[0] for text in texts]
    assert sorted((names[start], names[end]) for start, end in graph.arrows) == [
        ("Add", "Tanh"),
        ("Multiply", "ab"),
        ("Tanh", "result"),
        ("a", "Add"),
        ("a", "Multiply"),
        ("ab", "Add"),
        ("b", "Multiply"),
    ]


def test_the_tape_of_a_network_has_its_parameters_and_shapes(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    out = net(tinyseg.zeros(1, 1, 5, 5))
    graph = _Graph(out, dict(net.named_parameters()), {})
    kinds = {box.text: box.kind for box in graph.boxes}
    assert kinds["0.weight\n(4, 1, 3, 3)"] == "leaf"
    assert kinds["0.bias\n(4,)"] == "leaf"
    assert kinds["result\n(1, 4, 3, 3)"] == "result"
    viz.save_tape(tmp_path / "tape.png", out, dict(net.named_parameters()))
    leaf = near(pixels(tmp_path / "tape.png"), (207, 229, 245))
    assert runs(leaf.any(1)) == 2 or runs(leaf.any(0)) == 2, "two blue boxes"


def test_the_tape_refuses_what_is_no_graph_or_too_large(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    x = tinyseg.tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match="no graph"):
        viz.save_tape(path, x)
    with pytest.raises(ValueError, match="gradients of y, which names does not have"):
        viz.save_tape(path, x * 2, {"x": x}, {"y": x})
    y = x
    for _ in range(301):
        y = y + 1
    with pytest.raises(ValueError, match="more than 300 boxes"):
        viz.save_tape(path, y)
    with pytest.raises(ValueError, match="no boxes"):
        save_boxes(path, [], [])
    assert not path.exists()


def test_a_long_graph_runs_downwards(tmp_path: Path) -> None:
    for count in (3, 30):
        boxes = [Box(f"operator {i}", "operator") for i in range(count)]
        save_boxes(tmp_path / f"{count}.png", boxes, [(i, i + 1) for i in range(count - 1)])
    short, long = pixels(tmp_path / "3.png"), pixels(tmp_path / "30.png")
    assert short.shape[1] > 3 * short.shape[0]
    assert long.shape[0] > 3 * long.shape[1]


def test_matplotlib_is_imported_only_to_draw_and_pyplot_never(tmp_path: Path) -> None:
    program = (
        "import sys, tinyseg.viz as viz\n"
        "early = 'matplotlib' in sys.modules\n"
        "viz.save_curves(sys.argv[1], [{'epoch': 1, 'train_loss': 1.0}])\n"
        "print(early, 'matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "curves.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_names_of_classes_are_no_formulas(tmp_path: Path) -> None:
    """What stood between dollars was parsed as one, and a run ended with a traceback; letters may be missing, too."""
    classes = Classes.named(["x$\\frac$", "$^$", "猫"])
    viz.save_class_shares(tmp_path / "shares.png", {"train": [0.5, 0.3, 0.2]}, classes)
    viz.save_confusion(tmp_path / "confusion.png", np.eye(3, dtype=np.int64), classes)
    mask = np.array([[0, 1, 2]], np.int64)
    save_predictions(tmp_path / "predictions.png", [(np.zeros((1, 3, 3), np.uint8), mask, mask)], classes)
    assert len(list(tmp_path.iterdir())) == 3
