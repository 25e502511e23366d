"""What a kernel's inner loop is made of: vectors of 16 bytes, sums of outer products in registers, guarded loads.

A GPU moves 16 bytes with one instruction where their address is a multiple of 16, and multiplies what is in
registers only. ``numba.cuda`` has no such loads and unrolls what it likes, so each function here writes the
instructions that it stands for; its plain twin, which the simulator runs, comes first and says what it does. Indices
are not checked and do not wrap around.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiler import SIMULATED, cuda, helper

if SIMULATED:

    def inlined(function: Any) -> Any:
        """A function that kernels call; its instructions stand in the kernel itself."""
        return function

    def shared_vectors(size: int, dtype: Any) -> Any:
        """``size`` elements of shared memory, at an address that is a multiple of 16; once in a kernel."""
        return cuda.shared.array(size, dtype)

    def _slice(memory: Any, start: int, count: int) -> Any:
        """``count`` elements, all of which are there: NumPy would shorten the slice without a word."""
        if start < 0 or start + count > memory.elements.size:
            raise IndexError(
                f"elements {start} .. {start + count - 1} are outside of the {memory.elements.size} there are"
            )
        return memory.elements[start : start + count]

    def _vector(memory: Any, start: int, count: int) -> Any:
        if start % count:
            raise IndexError(f"no vector of {count} begins at {start}")
        return _slice(memory, start, count)

    def read_vector(registers: Any, i: int, memory: Any, j: int, count: int) -> None:
        """registers[i : i + count] = memory[j : j + count], ``count`` a constant that j is a multiple of."""
        _slice(registers, i, count)[...] = _vector(memory, j, count)

    def write_vector(memory: Any, i: int, registers: Any, j: int, count: int) -> None:
        """memory[i : i + count] = registers[j : j + count], ``count`` a constant that i is a multiple of."""
        _vector(memory, i, count)[...] = _slice(registers, j, count)

    def add_outer_product(sums: Any, a: Any, b: Any, rows: int, columns: int) -> None:
        """sums[i * columns + j] += a[i] * b[j]: all three are in registers, their lengths constants."""
        sums.elements += np.outer(a.elements, b.elements).reshape(-1)

    def rounded(value: Any) -> Any:
        """A float32 with the 10 binary digits behind the point that tensor cores read; ties go away from 0."""
        bits = np.float32(value).view(np.uint32)
        return (bits + np.uint32(0x1000) & np.uint32(0xFFFFE000)).view(np.float32) if np.isfinite(value) else value

    def add_tensor_product(
        sums: Any,
        memory: Any,
        a: int,
        b: int,
        a_pitch: int,
        b_pitch: int,
        in_a: int,
        in_b: int,
        rows: int,
        columns: int,
    ) -> None:
        """The product of a slice of 8 k by tensor cores, added to the sums of a warp, 16 * rows x 8 * columns.

        ``a`` and ``b``: where k = 0 of the slices begins; ``in_a`` and ``in_b``: the thread's first row and column.
        Its others are, as the hardware has it, 8, 16, 24 ... rows on, and 1, 8, 9, 16, 17 ... columns on.
        """
        lines = [in_a + 16 * i + 8 * h for i in range(rows) for h in (0, 1)]
        ranks = [in_b + 8 * j + h for j in range(columns) for h in (0, 1)]
        for k in range(8):
            left = [memory[a + k * a_pitch + line] for line in lines]
            right = [memory[b + k * b_pitch + rank] for rank in ranks]
            sums.elements += np.outer(left, right).reshape(-1)

    def read_row(registers: Any, sums: Any, row: int, rows: int, columns: int) -> None:
        """registers[j] = sums[row * columns + j]: registers have no addresses, so this jumps to that row's copy."""
        registers.elements[:] = _slice(sums, row * columns, columns)

    def fetch(memory: Any, index: int, inside: bool) -> Any:
        """``memory[index]`` if ``inside``, else 0 and nothing is read. No kernel is to write there meanwhile."""
        return memory[index] if inside else memory.elements.dtype.type(0)

    def within(index: int, size: int) -> bool:
        """0 <= index < size, for 32-bit numbers."""
        return 0 <= index < size

else:
    from ..runtime.toolchain import RequireLiteralValue, cgutils, intrinsic, ir, types

    def inlined(function: Any) -> Any:
        """See its twin."""
        return cuda.jit(device=True, forceinline=True)(function)

    @inlined
    def within(index, size):
        """See its twin."""
        return np.uint32(index) < np.uint32(size)  # one comparison: what is below 0 is very large

    @cuda.jit(device=True, inline="always")
    def shared_vectors(size, dtype):
        """See its twin."""
        return cuda.shared.array(size, dtype, 16)

    def _constant(argument: Any) -> int:
        """The value of an argument that is one; Numba asks first without it, then with it."""
        if not isinstance(argument, types.IntegerLiteral):
            raise RequireLiteralValue(argument)
        return int(argument.literal_value)

    def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
        """The address of the first element; what a kernel is given is just that."""
        if isinstance(kind, types.CPointer):
            return array
        return cgutils.create_struct_proxy(kind)(context, builder, array).data

    def _vector_place(context, builder, kind, array, index, size):
        """The address of ``size`` elements as that of one vector, and its alignment."""
        vector = ir.VectorType(context.get_data_type(kind.dtype), size)
        pointer = builder.gep(_data(context, builder, kind, array), [index])
        place = builder.bitcast(pointer, ir.PointerType(vector, addrspace=pointer.type.addrspace))
        return place, context.get_abi_sizeof(vector)

    def _elements(context, builder, kind, array, index, size):
        """The addresses of ``size`` elements, one by one: those in registers have no common one."""
        data = _data(context, builder, kind, array)
        return [builder.gep(data, [builder.add(index, ir.Constant(index.type, k))]) for k in range(size)]

    @intrinsic
    def read_vector(typing_context, registers, i, memory, j, count):
        """See its twin."""
        size = _constant(count)

        def code(context, builder, signature, arguments):
            kinds = signature.args
            place, alignment = _vector_place(context, builder, kinds[2], arguments[2], arguments[3], size)
            vector = builder.load(place)
            vector.align = alignment
            for k, element in enumerate(_elements(context, builder, kinds[0], arguments[0], arguments[1], size)):
                builder.store(builder.extract_element(vector, ir.Constant(ir.IntType(32), k)), element)
            return context.get_dummy_value()

        return types.void(registers, types.int64, memory, types.int64, count), code

    @intrinsic
    def write_vector(typing_context, memory, i, registers, j, count):
        """See its twin."""
        size = _constant(count)

        def code(context, builder, signature, arguments):
            kinds = signature.args
            place, alignment = _vector_place(context, builder, kinds[0], arguments[0], arguments[1], size)
            vector = ir.Constant(place.type.pointee, ir.Undefined)
            for k, element in enumerate(_elements(context, builder, kinds[2], arguments[2], arguments[3], size)):
                vector = builder.insert_element(vector, builder.load(element), ir.Constant(ir.IntType(32), k))
            builder.store(vector, place).align = alignment
            return context.get_dummy_value()

        return types.void(memory, types.int64, registers, types.int64, count), code

    @intrinsic
    def add_outer_product(typing_context, sums, a, b, rows, columns):
        """See its twin."""
        height, width = _constant(rows), _constant(columns)

        def code(context, builder, signature, arguments):
            total, left, right = (
                _data(context, builder, kind, array)
                for kind, array in zip(signature.args[:3], arguments[:3], strict=True)
            )

            def element(pointer, index):
                return builder.gep(pointer, [ir.Constant(ir.IntType(32), index)])

            factors = [builder.load(element(left, i)) for i in range(height)]
            others = [builder.load(element(right, j)) for j in range(width)]
            for i, factor in enumerate(factors):
                for j, other in enumerate(others):
                    place = element(total, i * width + j)
                    builder.store(builder.fma(factor, other, builder.load(place)), place)
            return context.get_dummy_value()

        return types.void(sums, a, b, rows, columns), code

    @intrinsic
    def rounded(typing_context, value):
        """See its twin."""

        def code(context, builder, signature, arguments):
            number = arguments[0].type
            function = ir.FunctionType(ir.IntType(32), [number])
            assembly = ir.InlineAsm(function, "cvt.rna.tf32.f32 $0, $1;", "=r,f", side_effect=False)
            return builder.bitcast(builder.call(assembly, arguments), number)

        return types.float32(types.float32), code

    # Of a product 16 x 8 x 8 a warp's thread holds, with group = lane / 4 and member = lane % 4 (PTX ISA, "Matrix
    # fragments for mma.m16n8k8"): of a the rows group and group + 8 at k = member, then both at k = member + 4; of b
    # the column group at k = member and member + 4; of the sums the columns 2 member and 2 member + 1 of row group,
    # then of row group + 8.
    _MMA = (
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
        " {$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
    )

    @intrinsic
    def add_tensor_product(typing_context, sums, memory, a, b, a_pitch, b_pitch, in_a, in_b, rows, columns):
        """See its twin."""
        height, width = _constant(rows), _constant(columns)
        pitch_a, pitch_b = _constant(a_pitch), _constant(b_pitch)

        def code(context, builder, signature, arguments):
            index, number = ir.IntType(64), ir.FloatType()
            total = _data(context, builder, signature.args[0], arguments[0])
            slices = _data(context, builder, signature.args[1], arguments[1])
            seven = ir.Constant(index, 7)
            group = builder.and_(arguments[6], seven)
            member = builder.lshr(builder.and_(arguments[7], seven), ir.Constant(index, 1))
            in_slice = builder.mul(member, ir.Constant(index, pitch_a))
            at_a = builder.add(builder.add(arguments[2], arguments[6]), in_slice)
            first = builder.add(builder.sub(arguments[7], builder.shl(member, ir.Constant(index, 1))), group)
            in_slice = builder.mul(member, ir.Constant(index, pitch_b))
            at_b = builder.add(builder.add(arguments[3], first), in_slice)

            def bits(start, offset):
                place = builder.gep(slices, [builder.add(start, ir.Constant(index, offset))])
                return builder.bitcast(builder.load(place), ir.IntType(32))

            def place(i, h, j, c):
                return builder.gep(total, [ir.Constant(index, (2 * i + h) * 2 * width + 2 * j + c)])

            right = [[bits(at_b, 8 * j + half * pitch_b) for half in (0, 4)] for j in range(width)]
            kinds = [ir.IntType(32)] * 6 + [number] * 4
            function = ir.FunctionType(ir.LiteralStructType([number] * 4), kinds)
            assembly = ir.InlineAsm(function, _MMA, "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f", side_effect=True)
            for i in range(height):
                left = [bits(at_a, 16 * i + 8 * h + half * pitch_a) for half in (0, 4) for h in (0, 1)]
                for j in range(width):
                    places = [place(i, h, j, c) for h in (0, 1) for c in (0, 1)]
                    result = builder.call(assembly, [*left, *right[j], *map(builder.load, places)])
                    for k, target in enumerate(places):
                        builder.store(builder.extract_value(result, k), target)
            return context.get_dummy_value()

        integers = [types.int64] * 2
        return types.void(sums, memory, *integers, a_pitch, b_pitch, *integers, rows, columns), code

    @intrinsic
    def read_row(typing_context, registers, sums, row, rows, columns):
        """See its twin."""
        height, width = _constant(rows), _constant(columns)

        def code(context, builder, signature, arguments):
            kinds = signature.args
            target = _data(context, builder, kinds[0], arguments[0])
            source = _data(context, builder, kinds[1], arguments[1])
            index = ir.IntType(32)
            after = builder.append_basic_block("row.read")
            copies = [builder.append_basic_block(f"row.{i}") for i in range(height)]
            switch = builder.switch(arguments[2], copies[0])
            for i, block in enumerate(copies):
                if i:
                    switch.add_case(ir.Constant(arguments[2].type, i), block)
                builder.position_at_end(block)
                for j in range(width):
                    value = builder.load(builder.gep(source, [ir.Constant(index, i * width + j)]))
                    builder.store(value, builder.gep(target, [ir.Constant(index, j)]))
                builder.branch(after)
            builder.position_at_end(after)
            return context.get_dummy_value()

        return types.void(registers, sums, types.int64, rows, columns), code

    # A predicated load, so that many of them can be under way at once with no jump between them.
    _GUARDED = "{{ .reg .pred p; setp.ne.s32 p, $2, 0; mov.{0} $0, {1}; @p ld.global.nc.{0} $0, [$1]; }}"
    # Of each type its name in PTX, its zero, and the letter of its registers.
    _FORMS = {
        types.float32: ("f32", "0f00000000", "f"),
        types.float64: ("f64", "0d0000000000000000", "d"),
    }

    @intrinsic
    def fetch(typing_context, memory, index, inside):
        """See its twin."""
        name, zero, register = _FORMS[memory.dtype]

        def code(context, builder, signature, arguments):
            pointer = builder.gep(_data(context, builder, signature.args[0], arguments[0]), [arguments[1]])
            flag = builder.zext(arguments[2], ir.IntType(32))
            function = ir.FunctionType(context.get_data_type(signature.return_type), [pointer.type, flag.type])
            assembly = ir.InlineAsm(function, _GUARDED.format(name, zero), f"={register},l,r", side_effect=False)
            return builder.call(assembly, [pointer, flag])

        return memory.dtype(memory, types.int64, types.boolean), code


@helper
def divide(number, factor, shift):
    """number // divisor for 0 <= number < 2**31, by the two numbers that ``inverse`` gives for the divisor."""
    return np.int32((np.uint64(number) * np.uint64(np.uint32(factor))) >> np.uint64(shift))


def inverse(divisor: int) -> tuple[int, int]:
    """``factor`` and ``shift`` such that number * factor >> shift == number // divisor for 0 <= number < 2**31.

    With 2**(bits - 1) < divisor <= 2**bits the factor, 2**(31 + bits) / divisor rounded up, is too large by less than
    1, so that the product is by less than 2**31 <= 2**(31 + bits) / divisor: not enough to reach the next whole
    number (Granlund and Montgomery 1994). The factor has 32 bits; it is given as an int32 of the same bits.
    """
    bits = (divisor - 1).bit_length()
    factor = -(-(2 ** (31 + bits)) // divisor)
    return int(np.uint32(factor).astype(np.int32)), 31 + bits
