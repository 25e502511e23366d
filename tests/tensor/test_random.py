"""Philox against its authors' known answers, and the generator that hands out its counters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.stats
from op_cases import philox, words

import tinyseg
from tinyseg import Generator, backend

ONES = 0xFFFFFFFF

# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, answer.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], answer: tuple[int, int, int, int]
) -> None:
    """Of the tests' own Philox, which the kernels are compared with."""
    assert philox(counter, key) == answer


def test_kernels_give_the_known_answer(device: str) -> None:
    x = tinyseg.zeros(4, dtype="float64").uniform_(generator=Generator(0))
    assert [int(v * 2**32) for v in x.tolist()] == list(KNOWN[0][2])


@pytest.mark.parametrize("key", [0, 1, 2**32, 2**64 - 1, 0x0123456789ABCDEF])
@pytest.mark.parametrize("counter", [0, 7, 2**32 - 2, 2**40, 2**63])
def test_kernels_against_plain_python(device: str, key: int, counter: int) -> None:
    """Also where the counter's low word overflows into the next."""
    out = np.empty(18)
    backend.kernels(device).uniform(out, key, counter)
    np.testing.assert_array_equal(out, words(18, key, counter) * 2.0**-32)


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 70_001])
def test_an_element_depends_on_its_place_alone(device: str, size: int) -> None:
    """So one long draw equals many short ones, however threads share it."""
    long = tinyseg.rand(size, generator=Generator(9), dtype="float64").numpy()
    for first in {0, size // 8 * 4, max(0, size - 3) // 4 * 4}:
        out = np.empty(min(5, size - first))
        backend.kernels(device).uniform(out, 9, first // 4)
        np.testing.assert_array_equal(out, long[first : first + out.size])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype: str) -> None:
    generator = Generator(11)
    uniform = tinyseg.rand(40_000, dtype=dtype, generator=generator).numpy()
    normal = tinyseg.randn(40_000, dtype=dtype, generator=generator).numpy()
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert np.isfinite(normal).all()
    assert scipy.stats.kstest(uniform, "uniform").pvalue > 0.01
    assert scipy.stats.kstest(normal, "norm").pvalue > 0.01
    assert abs(np.corrcoef(normal[::2], normal[1::2])[0, 1]) < 0.02  # the two that one pair of words makes


def test_dropout_drops_the_share_it_is_told() -> None:
    kept = tinyseg.nn.functional.dropout(tinyseg.ones(100_000), 0.3).numpy()
    assert set(np.unique(kept)) == {0, np.float32(1 / 0.7)}
    assert (kept == 0).mean() == pytest.approx(0.3, abs=0.005)


def test_dropout2d_drops_whole_channels() -> None:
    kept = tinyseg.nn.functional.dropout2d(tinyseg.ones(40, 50, 2, 3), 0.4).numpy().reshape(2000, 6)
    assert (kept == kept[:, :1]).all()
    assert (kept[:, 0] == 0).mean() == pytest.approx(0.4, abs=0.04)


def test_state_continues_the_stream() -> None:
    generator = Generator(4)
    tinyseg.rand(10, generator=generator)
    state = generator.get_state()
    assert state == (4, 3)  # 10 numbers take 3 blocks of 4 words
    following = tinyseg.rand(6, generator=generator).tolist()
    other = Generator()
    other.set_state(state)
    assert tinyseg.rand(6, generator=other).tolist() == following


def test_a_generator_of_one_s_own_leaves_the_default_one_alone() -> None:
    tinyseg.manual_seed(0)
    wanted = tinyseg.rand(3).tolist()
    tinyseg.manual_seed(0)
    tinyseg.rand(3, generator=Generator(1))
    tinyseg.nn.functional.dropout(tinyseg.ones(3), generator=Generator(1))
    assert tinyseg.rand(3).tolist() == wanted


def test_reserve_gives_each_thread_numbers_of_its_own() -> None:
    generator = Generator(0)
    with ThreadPoolExecutor(8) as pool:
        starts = list(pool.map(lambda _: generator.reserve(5)[1], range(400)))
    assert sorted(starts) == list(range(0, 800, 2))


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range(seed: int) -> None:
    for call in (Generator, tinyseg.manual_seed):
        with pytest.raises(ValueError, match=r"seed must be in 0 .. 2\*\*64 - 1"):
            call(seed)


def test_a_seed_is_an_integer() -> None:
    with pytest.raises(TypeError):
        Generator(1.5)  # type: ignore[arg-type]
    assert Generator(np.int64(3)).get_state() == (3, 0)  # type: ignore[arg-type]
