"""Compiled reading and writing at addresses: loads, stores, varints, text.

Nothing here checks bounds except where a function takes an `end`; the callers ensure that they stay within theirs.
Numba declares to LLVM that signed numbers do not overflow, so no code may rely on wrapping around.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from broker_assets.packets.opcodes import LONG_VARINT, TRUNCATED

CONTINUATION = -0x7F7F7F7F7F7F7F80  # 0x8080808080808080 as a signed number


@intrinsic
def load8(typing_context: Any, address: Any) -> Any:
    """Unaligned signed eight-byte load."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.int64(types.int64), generate


@intrinsic
def load1(typing_context: Any, address: Any) -> Any:
    """One byte as a number from 0 to 255."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        return builder.zext(builder.load(pointer), ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic
def store8(typing_context: Any, address: Any, value: Any) -> Any:
    """Unaligned eight-byte store."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store(arguments[1], pointer, align=1)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def store1(typing_context: Any, address: Any, value: Any) -> Any:
    """Store the lowest byte."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        builder.store(builder.trunc(arguments[1], ir.IntType(8)), pointer)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def trailing_zeros(typing_context: Any, value: Any) -> Any:
    """Number of zero bits below the lowest one bit."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


@intrinsic
def differs64(typing_context: Any, data: Any, mask: Any, expected: Any) -> Any:
    """Whether 64 bytes differ, under a mask, from the expected ones; in vector registers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(64), 4)
        differences = []
        for offset in (0, 32):
            words = []
            for address in arguments:
                shifted = builder.add(address, ir.Constant(ir.IntType(64), offset))
                words.append(builder.load(builder.inttoptr(shifted, vector.as_pointer()), align=1))
            differences.append(builder.xor(builder.and_(words[0], words[1]), words[2]))
        either = builder.bitcast(builder.or_(*differences), ir.IntType(256))
        return builder.icmp_unsigned("!=", either, ir.Constant(ir.IntType(256), 0))

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def copy(typing_context: Any, destination: Any, source: Any, length: Any) -> Any:
    """Copy bytes between locations that do not overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte_pointer = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(
            builder,
            builder.inttoptr(arguments[0], byte_pointer),
            builder.inttoptr(arguments[1], byte_pointer),
            arguments[2],
            ir.Constant(ir.IntType(64), 1),
        )
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), generate


@njit(nogil=True, cache=True, inline="never")
def slow_varint(position: int, end: int) -> Any:
    """Read a varint near the end of a payload byte by byte."""
    bits = 0
    shift = 0
    while True:
        if position >= end:
            return -TRUNCATED, 0
        byte = load1(position)
        position += 1
        if shift == 63 and byte > 1:
            return -LONG_VARINT, 0
        bits |= (byte & 0x7F) << shift
        if byte < 0x80:
            return position, ((bits >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(bits & 1)
        shift += 7


@njit(nogil=True, cache=True)
def varint(position: int, end: int) -> Any:
    """Read a zigzag varint: the position after it (or minus a failure) and its value."""
    if position + 10 > end:
        return slow_varint(position, end)
    bits = load8(position)
    if bits & 0x80 == 0:
        bits &= 0x7F
        return position + 1, (bits >> 1) ^ -(bits & 1)
    stops = ~bits & CONTINUATION
    if stops != 0:
        length = (trailing_zeros(stops) + 1) >> 3
        if length < 8:
            bits &= ~(-1 << (8 * length))
    else:
        length = 9
    high = load1(position + 8)
    last = load1(position + 9)
    bits = ((bits & 0x7F007F007F007F00) >> 1) | (bits & 0x007F007F007F007F)
    bits = ((bits & 0x3FFF00003FFF0000) >> 2) | (bits & 0x00003FFF00003FFF)
    bits = ((bits & 0x0FFFFFFF00000000) >> 4) | (bits & 0x000000000FFFFFFF)
    if length == 9:
        bits |= (high & 0x7F) << 56
        if high & 0x80:
            length = 10
            if last > 1:
                return -LONG_VARINT, 0
            bits |= last << 63
    return position + length, ((bits >> 1) & 0x7FFFFFFFFFFFFFFF) ^ -(bits & 1)


@njit(nogil=True, cache=True, inline="never")
def is_text(position: int, end: int) -> bool:
    """Whether bytes are valid UTF-8 (no overlong forms, no surrogates, at most U+10FFFF)."""
    while position < end:
        if position + 8 <= end and load8(position) & CONTINUATION == 0:
            position += 8
            continue
        lead = load1(position)
        position += 1
        if lead < 0x80:
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= lead <= 0xDF:
            following = 1
        elif 0xE0 <= lead <= 0xEF:
            following = 2
            if lead == 0xE0:
                low = 0xA0
            elif lead == 0xED:
                high = 0x9F
        elif 0xF0 <= lead <= 0xF4:
            following = 3
            if lead == 0xF0:
                low = 0x90
            elif lead == 0xF4:
                high = 0x8F
        else:
            return False
        if position + following > end:
            return False
        for _ in range(following):
            byte = load1(position)
            if byte < low or byte > high:
                return False
            low, high = 0x80, 0xBF
            position += 1
    return True


@njit(nogil=True, cache=True)
def gather(addresses: Any, packets: Any, references: Any, offsets: Any, destination: int) -> None:
    """Copy the bytes that `references` (position and length) point to, one after the other.

    `packets` (m,) int32 are the payloads; `offsets` (m,) int64 the positions of the copies in `destination`.
    """
    for k in range(len(references)):
        reference = references[k]
        length = reference >> 32
        source = addresses[packets[k]] + (reference & 0xFFFFFFFF)
        target = destination + offsets[k]
        if length < 16:
            for byte in range(length):
                store1(target + byte, load1(source + byte))
        else:
            copy(target, source, length)
