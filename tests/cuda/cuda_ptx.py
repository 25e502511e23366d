"""Compile the GPU's kernels without a GPU: ``python tests/cuda/cuda_ptx.py``.

Every variant of every kernel (its types) becomes PTX for one compute capability, and one variant of each kernel
does for all: 7.5 (Turing), 8.0 and 8.6 (Ampere), 9.0 (Hopper); for the last it becomes machine code, too. What PTX
says of a kernel's parameters must be what a launch packs. Needs numba-cuda, so it is no test of pytest's.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tinyseg_kernels import cuda, spec
from tinyseg_kernels.cuda.runtime import compiler, toolchain

CAPABILITIES = ((7, 5), (8, 0), (8, 6), (9, 0))
FULL = (8, 6)
PARAMETER = re.compile(r"\.param \.(\w+)")
IN_PTX = {"i8": "u64", "u8": "u64", "f8": "f64", "f4": "f32", "i4": "u32", "u1": "u8"}


def check(number: int) -> tuple[str, int, list[str]]:
    """A kernel's name, how many pieces of PTX were made of it, and what is wrong."""
    kernel = compiler.KERNELS[number]
    problems, made = [], 0
    for place, codes in enumerate(kernel.variants):
        for capability in CAPABILITIES if place == 0 else (FULL,):
            if capability < kernel.needs:
                continue
            where = f"{kernel.name}({', '.join(codes)}) for {capability[0]}.{capability[1]}"
            try:
                ptx = compiler.compile_ptx(kernel, codes, capability)
                if place == 0 and capability == CAPABILITIES[-1]:
                    toolchain.link(ptx, capability)
            except Exception as error:  # whatever the compilers raise belongs into the list
                problems.append(f"{where}: {error}")
                continue
            made += 1
            head = ptx.split(".entry", 1)[1].split(")", 1)[0]
            found = PARAMETER.findall(head)
            expected = ["u64" if code.endswith("*") else IN_PTX[code] for code in codes]
            if found != expected:
                problems.append(f"{where}: parameters are {found}, expected {expected}")
    return kernel.name, made, problems


def main() -> int:
    """Compile all; 1 if anything is wrong."""
    spec.check(cuda)
    start = time.monotonic()
    # The cache of machine code goes by these.
    keys = [(kernel.name, codes) for kernel in compiler.KERNELS for codes in kernel.variants]
    problems = [f"two variants are called {key}" for key, count in Counter(keys).items() if count > 1]
    made = 0
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for _, count, wrong in pool.map(check, range(len(compiler.KERNELS)), chunksize=4):
            made += count
            problems += wrong
    for problem in problems:
        print(problem[:2000])
    seconds = time.monotonic() - start
    print(f"{len(compiler.KERNELS)} kernels, {made} pieces of PTX, {len(problems)} problems, {seconds:.0f} s")
    return 1 if problems or not made else 0


if __name__ == "__main__":
    sys.exit(main())
