"""An operator's facts stand in its class: nothing is looked up by a class's name, and what is unknown is said."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sources import PACKAGE, sources

import tinyseg
import tinyseg.nn.functional as F
from tinyseg import Tensor, console, engine, nn
from tinyseg.autograd import Op
from tinyseg.geometry import Field, InputField

# Operators that say nothing of their receptive field or their multiply-adds, each with the reason.
SILENT: dict[str, str] = {}


def operators(base: type[Op] = Op) -> Iterator[type[Op]]:
    """All of tinyseg.ops."""
    for op in base.__subclasses__():
        if op.__module__.startswith("tinyseg.ops."):
            yield op
        yield from operators(op)


def named(node: ast.AST, names: set[str]) -> bool:
    """True if ``x.__name__`` is in an expression, or a variable that holds one."""
    return any(
        (isinstance(part, ast.Attribute) and part.attr == "__name__")
        or (isinstance(part, ast.Name) and part.id in names)
        for part in ast.walk(node)
    )


def assigned(tree: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Targets and what is assigned to them; tuples apart."""
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else []:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            else:
                yield target, node.value


def comparisons_of_class_names(source: str) -> list[int]:
    """The lines that compare a class's name, or choose by it."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    found = {*compared(tree, set())}
    for function in functions:
        holders = {t.id for t, value in assigned(function) if isinstance(t, ast.Name) and named(value, set())}
        found.update(compared(function, holders))
    return sorted(found)


def compared(tree: ast.AST, names: set[str]) -> Iterator[int]:
    """Lines where an expression with ``__name__``, or one of the variables ``names``, is compared or looked up."""
    for node in ast.walk(tree):
        chosen: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            chosen = [node.left, *node.comparators]
        elif isinstance(node, ast.Match):
            chosen = [node.subject]
        elif isinstance(node, ast.Subscript):
            chosen = [node.slice]
        if any(named(part, names) for part in chosen) and not isinstance(getattr(node, "ctx", None), ast.Store):
            yield node.lineno


def test_the_search_finds_comparisons_of_class_names() -> None:
    assert comparisons_of_class_names('if node.op.__name__ == "Conv2d":\n    pass') == [1]
    held = 'def behind(node):\n    kind, after = node.op.__name__, 3\n    return kind in ("Pad", "Slice")'
    assert comparisons_of_class_names(held) == [3]
    assert comparisons_of_class_names("stride = STRIDES[type(layer).__name__]") == [1]
    assert comparisons_of_class_names("match node.op.__name__:\n    case 'Pad':\n        pass") == [1]
    assert comparisons_of_class_names("print(f'{node.op.__name__}: unknown')\nrows[node.op.__name__] = None") == []


def test_nothing_in_the_engine_is_chosen_by_the_name_of_a_class() -> None:
    found = {
        str(path.relative_to(PACKAGE)): lines
        for path in sources(PACKAGE / "engine")
        if (lines := comparisons_of_class_names(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_every_operator_says_its_receptive_field_and_its_multiply_adds() -> None:
    every = {op.__name__: op for op in operators()}
    assert len(every) > 60
    without_field = [
        name for name, op in every.items() if not op.elementwise and op.receptive_field is Op.receptive_field
    ]
    without_count = [
        name
        for name, op in every.items()
        if not (op.elementwise or op.multiplies_little) and op.multiply_adds is Op.multiply_adds
    ]
    assert {*without_field, *without_count} == set(SILENT)


# Operators between a 3x3 convolution and the result. True: the receptive field is that of the unit that depends on
# the most; False: it may be larger, because the places of units are not followed.
MAPS: dict[str, tuple[Callable[[Tensor], Tensor], bool]] = {
    "gelu": (F.gelu, True),
    "softmax_of_channels": (lambda x: F.softmax(x, 1), True),
    "softmax_of_rows": (lambda x: F.softmax(x, 2), True),
    "log_softmax_of_columns": (lambda x: F.log_softmax(x, 3), True),
    "max_pool": (lambda x: F.max_pool2d(x, 3, 2, 1), False),  # the gradient of a maximum goes to the winner alone
    "avg_pool": (lambda x: F.avg_pool2d(x, 2), True),
    "adaptive_avg_pool": (lambda x: F.adaptive_avg_pool2d(x, 2), False),
    "mean": (lambda x: x.mean((2, 3), keepdim=True), True),
    "broadcast": (lambda x: x + x.mean((2, 3), keepdim=True), True),
    "var_of_channels": (lambda x: x.var(1, keepdim=True), True),
    "amax_of_rows": (lambda x: x.amax(2, keepdim=True), False),
    "lrn": (lambda x: F.local_response_norm(x, 3), True),
    "flip": (lambda x: x.flip(2), True),
    "flip_added": (lambda x: x + x.flip(3), True),
    "roll": (lambda x: x.roll(2, 3), True),
    "cumsum": (lambda x: x.cumsum(2), True),
    "transpose": (lambda x: x.transpose(2, 3), False),
    "channels_exchanged": (lambda x: x.permute(0, 1, 2, 3).transpose(0, 1), True),
    "attention": (lambda x: x @ x.transpose(2, 3), False),
    "reshape": (lambda x: x.reshape(2, 2, 6, 8), True),
    "reshape_of_rows": (lambda x: x.reshape(1, 2, 6, 16), False),
    "reshape_of_all": (lambda x: x.reshape(1, 6, 8, 4), False),
    "cat_of_channels": (lambda x: tinyseg.cat([x, x * 2.0], 1), True),
    "cat_of_rows": (lambda x: tinyseg.cat([x[:, :, 1:], x[:, :, :1]], 2), False),
    "split_of_channels": (lambda x: x.split(2, 1)[0] + x.split(2, 1)[1], True),
    "split_of_rows": (lambda x: x.split(3, 2)[0] + x.split(3, 2)[1], False),
    "slice": (lambda x: x[:, 1:, 2:, ::2], True),
    "slice_of_columns": (lambda x: x[..., 1:-1], True),
    "slice_and_new_dimension": (lambda x: x[:, 1, None], True),
    "slice_that_moves_rows": (lambda x: x[:, 0, :, :, None], False),
    "rows_picked": (lambda x: tinyseg.index_select(x, 2, tinyseg.tensor([5, 0, 3, 2, 1, 4])), False),
    "channels_picked": (lambda x: tinyseg.index_select(x, 1, tinyseg.tensor([1, 0])), True),
    "repeat": (lambda x: x.repeat(1, 1, 2, 1), False),
    "unfold_and_fold": (lambda x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1), False),
    "pad": (lambda x: F.pad(x, (1, 2, -1, 0)), True),
    "pad_from_inside": (lambda x: F.pad(x, (1, 1, 1, 1), mode="replicate"), True),
    "pixels": (lambda x: F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2), False),  # channels are not followed
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), True),
    "bilinear": (lambda x: F.interpolate(x, size=(9, 12), mode="bilinear"), True),
    "bed_of_nails": (lambda x: F.bed_of_nails(x, 2), True),
    "transposed_convolution": (
        lambda x: F.conv_transpose2d(x, tinyseg.ones(4, 2, 3, 3, dtype=x.dtype), stride=2),
        True,
    ),
    "linear_of_rows": (lambda x: F.linear(x, tinyseg.ones(5, 8, dtype=x.dtype)), False),
    "einsum": (lambda x: tinyseg.einsum("nchw,dc->ndhw", x, tinyseg.ones(3, 4, dtype=x.dtype)), False),
}


class Between(nn.Module):
    """A convolution and an operator."""

    def __init__(self, operator: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.operator = operator

    def forward(self, input: Tensor) -> Tensor:
        """Both."""
        return self.operator(self.conv(input))


def seen(model: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """The pixels, down and across, from the first to the last with a gradient; the most there are for any unit of the
    middle row and the middle column.
    """
    generator = np.random.default_rng(0)
    image = tinyseg.tensor(generator.random((1, 1, *size)), dtype="float64", requires_grad=True)
    most = [0, 0]
    units = model.double()(image)
    weights = tinyseg.tensor(generator.random(units.shape))
    rows, columns = units.shape[2:]
    for row, column in [(row, columns // 2) for row in range(rows)] + [
        (rows // 2, place) for place in range(columns)
    ]:
        (gradient,) = tinyseg.grad((units * weights)[:, :, row, column].sum(), image, retain_graph=True)
        assert gradient is not None
        for axis, others in ((0, (0, 1, 3)), (1, (0, 1, 2))):
            places = np.flatnonzero((gradient.numpy() != 0).any(others))
            if len(places):
                most[axis] = max(most[axis], int(places[-1] - places[0] + 1))
    return most[0], most[1]


@pytest.mark.parametrize("name", MAPS)
def test_no_unit_depends_on_more_than_its_operator_says(name: str) -> None:
    operator, exact = MAPS[name]
    model, size = Between(operator), (6, 8)
    found = engine.describe_model(model, size, in_channels=1).output_field
    assert found is not None
    measured = seen(model, size)
    said = tuple(min(one, whole) for one, whole in zip(found, size, strict=True))
    if exact:
        assert said == measured
    else:
        assert all(a >= b for a, b in zip(said, measured, strict=True)), (said, measured)


class Swish(Op):
    """x * sigmoid(x), as in the contributor's guide."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        s = 1.0 / ((-x).exp() + 1.0)
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, s = ctx.saved_tensors
        return grad * (s + x * s * (1.0 - s))


class DeclaredSwish(Swish):
    """The same, which says that it is element-wise."""

    elementwise = True


class Blur(Swish):
    """The facts of a window of 3, whatever it computes."""

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        return inputs.field.through(3, padding=1)

    @staticmethod
    def multiply_adds(ctx: Any, shape: tuple[int, ...]) -> int:
        return 9 * int(np.prod(shape))


class WithOperator(tinyseg.models.SegmentationModel):
    """Two convolutions, and an operator of the user's between them."""

    def __init__(self, op: type[Op]) -> None:
        super().__init__("with_operator", num_classes=2, in_channels=1, stride=2)
        self.op = op
        self.first = nn.Conv2d(1, 4, 3, padding=1, stride=2)
        self.second = nn.Conv2d(4, 2, 3, padding=1)

    @property
    def min_size(self) -> tuple[int, int]:
        """Any."""
        return 2, 2

    def forward(self, input: Tensor) -> Tensor:
        """One after the other."""
        return self.second(self.op.apply(self.first(input)))


def test_an_operator_that_says_nothing_is_unknown_and_so_is_what_lies_behind_it() -> None:
    info = engine.describe_model(WithOperator(Swish), (8, 8))
    first, between, second = info.layers
    assert (first.field, first.stride, first.multiply_adds) == ((3, 3), (2, 2), 9 * 4 * 16)
    assert (between.kind, between.field, between.stride, between.multiply_adds) == ("swish", None, None, None)
    assert (second.field, second.stride, second.multiply_adds) == (None, None, 9 * 4 * 2 * 16)
    assert (info.coarsest, info.output_field, info.output_stride, info.multiply_adds) == (None, None, None, None)
    assert info.unknown_fields == info.unknown_multiply_adds == ("Swish",)
    totals = info.as_dict()["totals"]
    assert [totals[name] for name in ("maximum_stride", "receptive_field", "multiply_adds")] == [None] * 3


def test_what_is_unknown_is_printed_with_the_remedy() -> None:
    output = Console(file=io.StringIO(), width=300)
    console.print_info(output, engine.describe_model(WithOperator(Swish), (8, 8)))
    text = output.file.getvalue()  # type: ignore[attr-defined]
    for part in (
        "maximum stride: unknown",
        "receptive field there: unknown\n",
        "receptive field of the output: unknown\n",
        "multiply-adds for one image: unknown\n",
        "unknown receptive field: Swish; set elementwise = True in the class if each",
        "unknown multiply-adds: Swish; write multiply_adds",
    ):
        assert part in text
    assert [line.split()[-2:] for line in text.splitlines() if line.lstrip().startswith("swish")] == [["unknown"] * 2]


def test_an_operator_that_says_its_facts_is_counted() -> None:
    info = engine.describe_model(WithOperator(DeclaredSwish), (8, 8))
    assert (info.output_field, info.output_stride, info.multiply_adds) == ((7, 7), (2, 2), 9 * 16 * (4 + 8))
    assert info.unknown_fields == info.unknown_multiply_adds == ()
    info = engine.describe_model(WithOperator(Blur), (8, 8))
    assert (info.output_field, info.multiply_adds) == ((11, 11), 9 * 16 * (4 + 4 + 8))
    assert info.convolutions == 2


def test_an_operator_that_says_only_a_part_leaves_the_other_unknown() -> None:
    class Half(Swish):
        receptive_field = Blur.receptive_field

    info = engine.describe_model(WithOperator(Half), (8, 8))
    assert (info.output_field, info.multiply_adds) == ((11, 11), None)
    assert (info.unknown_fields, info.unknown_multiply_adds) == ((), ("Half",))


def test_an_operator_that_returns_no_field_or_no_number_is_named() -> None:
    class Three(DeclaredSwish):
        @staticmethod
        def receptive_field(ctx: Any, inputs: InputField) -> Any:
            return 3

    class Many(DeclaredSwish):
        @staticmethod
        def multiply_adds(ctx: Any, shape: tuple[int, ...]) -> Any:
            return "many"

    with pytest.raises(TypeError, match=r"Three\.receptive_field returned 3; it must be a Field"):
        engine.describe_model(WithOperator(Three), (8, 8))
    with pytest.raises(TypeError, match=r"Many\.multiply_adds returned 'many'; it must be an int, or None"):
        engine.describe_model(WithOperator(Many), (8, 8))


def test_an_unknown_field_is_not_measured() -> None:
    with pytest.raises(ValueError, match=r"measure_field: the coarsest layer is unknown, .* Swish; set elementwise"):
        engine.measure_field(WithOperator(Swish))
