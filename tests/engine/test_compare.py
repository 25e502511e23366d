"""Networks side by side: what is refused, what is taken up again, the numbers, the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from chromium import Browser
from commands import call
from tiny_runs import Log, make_folder, options, without_pictures

from tinyseg import engine, viz
from tinyseg.data import Sample
from tinyseg.engine import Comparison, Contender, EpochRow, Reached
from tinyseg.engine.comparison.compare import _check_data, _Entry
from tinyseg.engine.comparison.compare_page import page
from tinyseg.engine.comparison.compare_pictures import FeatureMaps, Pictures
from tinyseg.engine.storage.progress import Best
from tinyseg.errors import InputError

TOML = """\
data = "folder"
root = "{root}"
model = "unet"
width = 4
depth = 2
epochs = 2
batch-size = 4
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pictures(monkeypatch)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def compared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A comparison of two files by the command, and what it printed: a frozen level, and none."""
    folder = tmp_path_factory.mktemp("compared")
    text = TOML.format(root=root.as_posix())
    (folder / "frozen.toml").write_text(f'{text}freeze = "down.0"\n', encoding="utf-8")
    (folder / "all.toml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        without_pictures(patched)
        result = call("compare", folder / "frozen.toml", folder / "all.toml", "--out", folder / "out", "--workers", 1)
    assert result.exit_code == 0, result.output
    return folder, result.stdout


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


# The command


def test_it_trains_each_and_writes_a_report(compared: tuple[Path, str]) -> None:
    folder, text = compared
    assert [path.name for path in sorted((folder / "out").iterdir())] == [
        "all",
        "frozen",
        "report.html",
        "report.json",
    ]
    assert f"report: {folder / 'out' / 'report.html'}" in text
    found = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    assert (found["train_images"], found["val_images"], found["classes"]) == (8, 4, ["ground", "thing"])
    frozen, everything = found["contenders"]
    assert (frozen["name"], frozen["epochs"], frozen["model"]) == ("frozen", 2, "unet")
    # What is frozen: 3x3 convolutions from 3 to 4 and from 4 to 4 channels, two batch norms of 4.
    assert everything["parameters"] - frozen["trainable_parameters"] == 3 * 4 * 9 + 4 * 4 * 9 + 2 * (4 + 4)
    assert everything["trainable_parameters"] == everything["parameters"] == frozen["parameters"]
    assert found["differences"] == {"--freeze": ["down.0", "none"]}
    rows = [json.loads(line) for line in (folder / "out" / "all" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert everything["scores"]["mean_iu"] == max(row["mean_iu"] for row in rows)
    assert everything["seconds"] == pytest.approx(sum(row["seconds"] for row in rows), abs=0.02)


def test_what_is_done_is_taken_as_it_is(compared: tuple[Path, str], tmp_path: Path) -> None:
    folder = compared[0]
    before = stamps(folder)
    layers = ("--layers", "down.1.5", "--samples", 2)
    result = call("compare", folder / "frozen.toml", folder / "all.toml", "--out", folder / "out", *layers)
    assert result.exit_code == 0, result.output
    assert "epoch 1/2" not in result.stdout
    # Finished runs and files may be mixed; the runs stay where they are.
    mixed = call("compare", folder / "out" / "all", folder / "frozen.toml", "--out", folder / "out", *layers)
    assert mixed.exit_code == 0, mixed.output
    assert stamps(folder) == before
    text = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"<figcaption>(down.*?)</figcaption>", text) == ["down.1.5: 8 maps of 16x16"] * 2
    assert text.count('alt="The true classes of') == 2


def test_a_comparison_that_was_interrupted_goes_on_to_the_same_bits(
    compared: tuple[Path, str], root: Path, tmp_path: Path
) -> None:
    folder, log = compared[0], Log()

    class Killed(Log):
        def epoch_done(self, row: EpochRow, is_best: bool) -> None:
            raise KeyboardInterrupt

    @contextmanager
    def show(name: str) -> Iterator[Log]:
        yield Killed() if first else log

    networks: dict[str, Any] = {"done": folder / "out" / "frozen", "all": options(root)}
    first = True
    with pytest.raises(KeyboardInterrupt):
        engine.compare(networks, tmp_path, show=show, workers=1)
    first = False
    found = engine.compare(networks, tmp_path, show=show, workers=1)
    assert [row.epoch for row in log.rows] == [2]
    assert [one.name for one in found.contenders] == ["done", "all"]
    ours, theirs = (path / "all" / "best.safetensors" for path in (tmp_path, folder / "out"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_beginning_of_a_run_without_a_checkpoint_is_no_obstacle(
    compared: tuple[Path, str], tmp_path: Path
) -> None:
    folder = compared[0]
    for name in ("frozen", "all"):
        shutil.copytree(folder / "out" / name, tmp_path / name)
    (tmp_path / "all" / "last.safetensors").unlink()
    files = [folder / "frozen.toml", folder / "all.toml"]
    refused = call("compare", *files, "--out", tmp_path)
    assert refused.exit_code == 2
    assert "has no last.safetensors, but best.safetensors; move it away" in refused.stderr
    for path in (tmp_path / "all").iterdir():
        if path.name != "config.toml":
            path.unlink()
    assert call("compare", *files, "--out", tmp_path).exit_code == 0


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs = 3\nepochs = 3", "not valid TOML"),
        ("modell = 'unet'", "unknown key modell; did you mean model?"),
        ("lr = -1", "second: --lr must be positive, got -1.0"),
        ("depht = 3", "unknown key depht; did you mean depth?"),
        ("width = 0", "second: unet: --width must be"),
        ("threads = 2\nout = 'elsewhere'", "--threads, --out cannot be said for one of several networks"),
        ("weights = 'nowhere.pth'", "second: nowhere.pth"),
    ],
)
def test_files_that_cannot_be_used(root: Path, tmp_path: Path, change: str, message: str) -> None:
    text = TOML.format(root=root.as_posix())
    (tmp_path / "first.toml").write_text(text, encoding="utf-8")
    key = change.split(" ")[0]
    text = re.sub(rf"^{key} .*\n", "", text, flags=re.M)
    (tmp_path / "second.toml").write_text(f"{text}{change}\n", encoding="utf-8")
    result = call("compare", tmp_path / "first.toml", tmp_path / "second.toml", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert not (tmp_path / "out").exists()


def test_what_is_the_usual_may_be_said_or_not(root: Path) -> None:
    """A run whose crowds are ignored is measured as one that leaves them at that; one that learns them is not."""
    plan = engine.prepare(options(root))
    said, learnt = (
        replace(plan.config, data=replace(plan.config.data, crowds=crowds)) for crowds in ("ignore", "objects")
    )
    one, same, other = (
        _Entry("run", Path("run"), config, plan.train_set, plan.val_set, None)
        for config in (plan.config, said, learnt)
    )
    _check_data([one, same])
    with pytest.raises(InputError, match="their crowds differ: ignore and objects"):
        _check_data([one, other])


def test_networks_that_cannot_be_compared(compared: tuple[Path, str], root: Path, tmp_path: Path) -> None:
    folder = compared[0]
    run, out = folder / "out" / "all", tmp_path / "out"

    def refused(message: str, **networks: Any) -> None:
        given = networks.pop("given", {})
        with pytest.raises(InputError, match=message):
            engine.compare(networks, out, **given)
        assert not out.exists()

    refused("expected two networks or more, got 1", one=run)
    other = make_folder(tmp_path / "other")
    refused("their folders of data differ", one=run, two=options(other))
    shapes = options(root, data="shapes", root=None, size=(32, 32))
    refused("their data sets differ: folder and shapes", one=run, two=shapes)
    refused("their sizes of drawn images differ", one=shapes, two=replace(shapes, size=(64, 64)))
    refused("their seeds of drawn images differ", one=shapes, two=replace(shapes, data_seed=1))
    refused("their orientations of images .* differ: False and True", one=run, two=options(root, as_stored=True))
    refused("one and ONE would be one folder", one=run, ONE=run)
    refused("cannot be the name of a run's folder", one=run, **{"a/b": run})
    refused(
        "none of one, two has a layer 'down.9.1' .* there are down.", one=run, two=run, given={"layers": ["down.9.1"]}
    )
    refused("expected 1 or more --samples", one=run, two=run, given={"share": 1.5})
    refused("no such folder", one=run, two=tmp_path / "nowhere")


def test_runs_that_are_not_finished_or_of_other_images(
    compared: tuple[Path, str], root: Path, tmp_path: Path
) -> None:
    done = compared[0] / "out" / "all"
    shutil.copytree(done, tmp_path / "half")
    config = tmp_path / "half" / "config.toml"
    config.write_text(config.read_text("utf-8").replace("epochs = 2", "epochs = 3"), encoding="utf-8")
    with pytest.raises(
        InputError, match="half: the run has 2 of 3 epochs; first go on with it: tinyseg train --resume"
    ):
        engine.compare({"a": done, "b": tmp_path / "half"}, tmp_path / "out")
    moved = make_folder(tmp_path / "data")
    (moved / "val" / "images" / "0.png").rename(moved / "val" / "images" / "a.png")
    (moved / "val" / "masks" / "0.png").rename(moved / "val" / "masks" / "a.png")
    config.write_text(
        config.read_text("utf-8").replace("epochs = 3", "epochs = 2").replace(root.as_posix(), moved.as_posix()),
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="the run was made when its data had other images"):
        engine.compare({"a": done, "b": tmp_path / "half"}, tmp_path / "out")


def test_a_run_with_other_options_is_left_alone(compared: tuple[Path, str]) -> None:
    folder = compared[0]
    before = stamps(folder)
    text = (folder / "all.toml").read_text(encoding="utf-8")
    changed = folder / "changed" / "all.toml"
    changed.parent.mkdir()
    changed.write_text(f"{text}lr = 0.5\n", encoding="utf-8")
    result = call("compare", folder / "frozen.toml", changed, "--out", folder / "out")
    assert result.exit_code == 2
    assert "there is a run with other options: training.lr is 0.002, and is now to be 0.5" in result.stderr
    assert stamps(folder) == before


def test_names_come_from_files(compared: tuple[Path, str]) -> None:
    folder = compared[0]
    assert list(engine.read_contenders([folder / "all.toml", folder / "out" / "frozen"])) == ["all", "frozen"]
    with pytest.raises(InputError, match="another one is called all, too"):
        engine.read_contenders([folder / "all.toml", folder / "out" / "all"])
    with pytest.raises(InputError, match="no such file or folder"):
        engine.read_contenders([folder / "none.toml"])


# Numbers, by hand


def contender(root: Path, name: str, mean_ius: list[float | None], seconds: float) -> Contender:
    """A run with these scores after each epoch, each of which took so many seconds."""
    rows = [
        EpochRow(n, 0.1, 1 / n, None if iu is None else 1.5 / n, iu, iu, iu, iu, iu, (iu, iu), 0, seconds)
        for n, iu in enumerate(mean_ius, 1)
    ]
    best = max(rows, key=lambda row: row.mean_iu or 0.0)
    config = engine.prepare(options(root)).config
    return Contender(name, root, config, tuple(rows), Best(best.epoch, best.mean_iu, [[6, 2], [0, 2]]), 1234, 200)


def test_convergence(root: Path) -> None:
    fast = contender(root, "fast", [0.5, 0.6, None], seconds=2)
    good = contender(root, "good", [0.1, 0.5, 0.8, 0.79], seconds=10)
    found = Comparison((fast, good), share=0.9, train_images=8, val_images=4)
    assert (found.best_mean_iu, found.common_epochs) == (0.8, 3)
    assert (fast.elapsed, good.seconds) == ([2, 4, 6], 40)
    assert found.reached_own(fast) == Reached(2, 4)  # 0.54 of 0.6
    assert found.reached_own(good) == found.reached_best(good) == Reached(3, 30)  # 0.72 of 0.8
    assert found.reached_best(fast) is None
    assert found.area(fast) == pytest.approx((0.5 + 0.6 + 0) / 3)
    assert found.area(good) == pytest.approx((0.1 + 0.5 + 0.8) / 3)
    assert fast.scores.iu.tolist() == [6 / 8, 2 / 4]
    assert found.differences() == {}
    assert found.alike()["--width"] == "4"


def test_usual_layers_where_one_pooling_serves_all_levels() -> None:
    from tinyseg.engine.comparison.compare_pictures import usual_layers

    found = engine.describe("fcn16s", size=(64, 64), num_classes=2, width=4)
    assert usual_layers(found) == ["backbone.stage1.5", "backbone.pool", "up"]


# The page


class Tags(HTMLParser):
    """Checks that tags close in order, and keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(root: Path) -> str:
    """The page of two networks with names that have to be escaped, and a photograph that is made smaller."""
    networks = contender(root, "<a & b>", [0.5, 0.6, None], 2), contender(root, '"c"', [0.1], 10)
    image = np.linspace(0, 1, 600 * 400 * 3, dtype=np.float32).reshape(600, 400, 3)
    mask = np.arange(600 * 400).reshape(600, 400).astype(np.uint8) % 2
    truth = mask.copy()
    truth[:300] = 255
    truth[300:450] ^= 1
    sample = Sample(image, truth, "<photo>")
    maps = FeatureMaps("<a & b>", "down.0", 20, np.random.default_rng(0).random((16, 8, 8), np.float32))
    pictures = Pictures((sample,), {one.name: (mask,) for one in networks}, image, (maps,))
    return page(Comparison(networks, 0.9, 8, 4), pictures)


def test_the_page_is_well_formed_escaped_and_needs_nothing_else(written: str) -> None:
    tags = Tags()
    tags.feed(written)
    assert tags.open == []
    assert "$" not in written
    assert "<a &" not in written
    assert "<photo>" not in written
    found = [attributes for tag, attributes in tags.found if tag == "img"]
    assert len(found) == 6  # image, truth, two predictions; the image again, and its feature maps
    assert all(attributes["alt"] and (attributes["src"] or "").startswith("data:image/") for attributes in found)
    links = [value for _, attributes in tags.found for name, value in attributes.items() if name.endswith("href")]
    assert links
    assert all(link is not None and link.startswith("#") for link in links)
    assert not re.search(r"<(script|link|iframe)|@import|url\((?!#)", written)
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link} <= set(ids)
    assert [tag for tag, _ in tags.found if re.fullmatch("h[12]", tag)] == ["h1"] + ["h2"] * 6
    assert "50.0% right" in written  # of the lower half, half is the other way round
    assert 'width="235" height="352"' in written
    assert "16 of 20 maps of 8x8" in written
    assert len(written) < 400_000


def test_curves_of_a_page_have_its_colours() -> None:
    lines = {str(n): ([1, 2, 3], [0.1 * n, None, 0.9]) for n in range(9)}
    text = viz.inline_lines(lines, "epoch", "score", "scores", high=1)
    drawn = ElementTree.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert drawn.attrib["aria-label"] == "scores: 0, 1, 2, 3, 4, 5, 6, 7, 8"
    assert set(re.findall(r"(?:fill|stroke): (#\w+|var[^;\"]*|currentColor)", text)) == {
        "currentColor",
        "var(--rule)",
        *(f"var(--series-{n})" for n in range(viz.SERIES)),
    }
    words = [element.text for element in drawn.iter() if element.tag.endswith("}text")]
    assert {"epoch", "score", "scores", "1", "2", "3"} <= set(words)
    assert "1.5" not in words
    assert "var(--series-1)" in viz.line_key(8)
    with pytest.raises(ValueError, match="no lines"):
        viz.inline_lines({}, "x", "y", "t")


PROBE = """(() => {
  const light = color => {
    const part = color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  const contrast = color => {
    const [low, high] = [light(color), page].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const worst = (selector, property) => Math.min(...[...document.querySelectorAll(selector)].map(
    element => contrast(getComputedStyle(element)[property])));
  return {
    page: page,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    images: [...document.images].map(image => image.complete && image.naturalWidth > 0),
    wide: [...document.images, ...document.querySelectorAll("svg")].filter(
      one => !one.closest(".box") && one.getBoundingClientRect().right > innerWidth).length,
    boxes: [...document.querySelectorAll(".box")].map(box => getComputedStyle(box).overflowX),
    text: worst("h1, h2, h3, p, th, td, figcaption, li, summary, .quiet", "color"),
    letters: worst("svg text", "fill"),
    lines: worst(".key line", "stroke"),
    smallest: Math.min(...[...document.querySelectorAll("svg text")].map(
      text => text.getBoundingClientRect().height).filter(height => height > 0)),
  };
})()"""


def test_the_page_in_a_browser_without_a_network(written: str, tmp_path: Path) -> None:
    """Light and dark, on a phone and on a desk; contrasts are those that WCAG 2.1 asks for (1.4.3, 1.4.11)."""
    path = tmp_path / "report.html"
    path.write_text(written, encoding="utf-8")
    with Browser(tmp_path / "profile") as browser:
        for width, height in ((390, 844), (1280, 900)):
            for dark in (False, True):
                browser.open(path, width, height, dark)
                found = browser.value(PROBE)
                assert (found["page"] < 0.02) == dark
                assert found["overflow"] == found["wide"] == 0
                assert len(found["images"]) == 6
                assert all(found["images"])
                assert set(found["boxes"]) == {"auto"}
                assert found["text"] >= 4.5
                assert found["letters"] >= 4.5
                assert found["lines"] >= 3
                assert found["smallest"] >= 9
        assert browser.errors == []
