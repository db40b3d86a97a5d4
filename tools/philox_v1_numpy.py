#!/usr/bin/env python3
"""PHILOX_V1 in NumPy, written from docs/philox-v1.md alone: bit for bit what the library draws.

    import numpy as np, philox_v1_numpy as philox
    x = philox.normal(seed=1, subsequence=philox.subsequence("fc1.weight"), indexes=np.arange(10), params=(0.0, 0.02),
                      dtype="BFLOAT16")

`indexes` are logical indexes, any integers below 2^63 in any order. The result is an array of float32, float16 or float64;
BFLOAT16 gives uint16 and the FLOAT8 types uint8, since NumPy has no such types: `bits` makes bit patterns of all.

    tools/philox_v1_numpy.py tests/golden/philox_v1.json

compares every draw of that file. Speed was no aim.
"""
import hashlib
import json
import math
import re
import struct
import sys

import numpy as np

F32, F64, U32, U64 = np.float32, np.float64, np.uint32, np.uint64
MASK32 = (1 << 32) - 1


# 1. Words


def subsequence(name):
    """The subsequence of a draw's name."""
    data = name.encode("utf-8")
    text = b"weightinit-philox-v1\0" + struct.pack("<Q", len(data)) + data
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")


def words(seed, subsequence, indexes, plane=0):
    """w_plane of each index, uint32."""
    index = np.asarray(indexes, dtype=U64)
    block = index // U64(4) + U64(plane << 62)
    low = U64(MASK32)
    c0, c1 = block & low, block >> U64(32)
    c2 = np.full_like(c0, subsequence & MASK32)
    c3 = np.full_like(c0, subsequence >> 32)
    k0, k1 = seed & MASK32, seed >> 32
    for _ in range(10):
        p0, p1 = U64(0xD2511F53) * c0, U64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> U64(32)) ^ c1 ^ U64(k0), p1 & low, (p0 >> U64(32)) ^ c3 ^ U64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return np.choose((index % U64(4)).astype(np.intp), [c0, c1, c2, c3]).astype(U32)


# Appendix


def _number(pattern):
    return np.array(pattern, dtype=U32).view(F32)


def _coefficients(patterns):
    return [_number(int(p, 16)) for p in patterns.split()]


LOG = _coefficients("3ec0008a beac794b 3ea1aa19 becb1d72 3f0038d6 bf2aae51 3f7fff28 c0000001")
SINE = _coefficients("bb96c9c4 3da32f42 bf255de2 3fc90fdb")
COSINE = _coefficients("bca74228 3e81d840 bf9de9ce 3f800000")
CENTRE = _coefficients("469ce180 46e252cb 46906db4 45cd02b5 44b4a01f 4338e3d6 41ae44a7 c05756e0 404a9cf0 c027fc29 "
                       "40206c9a")
TAIL = _coefficients("b0ac856f 328c9139 b3a00b3e 34890bc5 b6110fb3 3795d773 b901441f 3a64d590 bbd48a35 3f8685a5 "
                     "40b13d9d")


def _horner(coefficients, x):
    total = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _radius(u):
    """R(U)."""
    o = u.view(U32) - U32(0x3F280000)
    f = ((o & U32(0x007FFFFF)) + U32(0x3F280000)).view(F32) - F32(1)
    e = (o & U32(0xFF800000)).view(np.int32).astype(F32) * F32(2.0**-23)
    return np.sqrt(f * _horner(LOG, f) + e * _number(0xBFB17218))


def _pair(w0, w1):
    """z(i) and z(i+1)."""
    low = ((w1 & U32(0xFF)).astype(F32) + F32(0.5)) * F32(2.0**-8)
    u = np.minimum((w0.astype(F32) + low) * F32(2.0**-32), F32(1 - 2.0**-24))
    r = _radius(u)
    phi = (((w1 << U32(2)).view(np.int32) >> np.int32(10)).astype(F32) + F32(0.5)) * F32(2.0**-22)
    quadrant = ((w1 + U32(0x20000000)) >> U32(30)).astype(np.intp)
    v = phi * phi
    s, c = phi * _horner(SINE, v), _horner(COSINE, v)
    return r * np.choose(quadrant, [c, -s, -c, s]), r * np.choose(quadrant, [s, c, -s, -c])


def _upper_tail(x):
    """1 - Phi(x)."""
    return 0.5 * math.erfc(x / math.sqrt(2))


def truncated_probabilities(a, b):
    """B, A and P. The C library's erfc may round another way than the library's own in one case of about 10^6; a plan
    shows the numbers, and `truncated_normal` takes them."""
    if a >= 0:
        p = _upper_tail(a) - _upper_tail(b)
    elif b <= 0:
        p = _upper_tail(-b) - _upper_tail(-a)
    else:
        p = (0.5 - _upper_tail(-a)) + (0.5 - _upper_tail(b))
    return _upper_tail(-a), _upper_tail(b), p


def _truncated_z(w, a, b, probabilities):
    below, above, probability = (_parameter(x) for x in probabilities)
    scaled = probability * F32(2.0**-32)
    median = 0.5 - float(below)
    if probability > 0:
        n = math.floor(min(max(median / float(probability) * 2.0**32, 0.0), 2.0**32))
    else:
        n = 2**32 if median > 0 else 0
    is_lower = w.astype(U64) < U64(n)
    q = np.where(is_lower, below, above) + (np.where(is_lower, w, ~w).astype(F32) + F32(0.5)) * scaled
    centre = (F32(0.5) - q) * _horner(CENTRE, np.sqrt(q - q * q) - F32(0.5))
    tail = _horner(TAIL, _radius(q) - F32(6))
    m = np.where(q < _number(0x3CB00000), tail, centre)
    return np.minimum(np.maximum(np.where(is_lower, -m, m), _parameter(a)), _parameter(b))


# 2. and 3. Values


def _parameter(x):
    """A parameter in binary32; no zero is negative."""
    with np.errstate(over="ignore", under="ignore"):
        return F32(x) + F32(0)


def _affine(value, offset, scale, low, high, dtype):
    """offset + scale·value, clamped, in the arithmetic of the dtype."""
    with np.errstate(over="ignore", under="ignore"):
        if dtype == "FLOAT64":
            offset, scale, low, high = (F64(x) + F64(0) for x in (offset, scale, low, high))
            return np.minimum(np.maximum(offset + scale * value.astype(F64), low), high)
        offset, scale, low, high = (_parameter(x) for x in (offset, scale, low, high))
        return convert(np.minimum(np.maximum(offset + scale * value, low), high), dtype)


def uniform(seed, subsequence, indexes, params, dtype="FLOAT32"):
    """params = (low, high)."""
    low, high = (F64(x) for x in params)
    w = words(seed, subsequence, indexes)
    t = (((w >> U32(8)).astype(np.int32) - np.int32(1 << 23)).astype(F32) + F32(0.5)) * F32(2.0**-23)
    return _affine(t, (low + high) / 2, (high - low) / 2, low, high, dtype)


def normal(seed, subsequence, indexes, params=(0.0, 1.0), dtype="FLOAT32"):
    """params = (mean, std)."""
    index = np.asarray(indexes, dtype=U64)
    even = index & ~U64(1)
    first, second = _pair(words(seed, subsequence, even), words(seed, subsequence, even + U64(1)))
    z = np.where(index % U64(2) == 0, first, second)
    return _affine(z, params[0], params[1], -np.inf, np.inf, dtype)


def truncated_normal(seed, subsequence, indexes, params, dtype="FLOAT32", probabilities=None):
    """params = (mean, std, a, b), or (mean, std, a, b, low, high) with ABSOLUTE bounds; probabilities = (B, A, P)."""
    mean, std, a, b = params[:4]
    low, high = params[4:] if len(params) > 4 else (-np.inf, np.inf)
    probabilities = probabilities or truncated_probabilities(a, b)
    z = _truncated_z(words(seed, subsequence, indexes), a, b, probabilities)
    return _affine(z, mean, std, low, high, dtype)


# mantissa bits, exponent of the smallest normal number, largest finite value
_FLOAT8 = {"FLOAT8_E4M3FN": (3, -6, 448.0), "FLOAT8_E5M2": (2, -14, 57344.0)}


def _float8(x, dtype):
    mantissa_bits, smallest, largest = _FLOAT8[dtype]
    magnitude = np.minimum(np.abs(x.astype(F64)), largest)
    # The unit of each number's binade, or of the subnormals; rint ties to even.
    exponent = np.where(magnitude == 0, smallest, np.maximum(np.frexp(magnitude)[1] - 1, smallest))
    units = np.rint(np.ldexp(magnitude, mantissa_bits - exponent)).astype(np.int64)
    # Codes count the units: 2^mantissa_bits of them per binade; a carry moves on to the next binade by itself.
    code = units + (exponent - smallest).astype(np.int64) * (1 << mantissa_bits)
    return (code | np.where(np.signbit(x), 0x80, 0)).astype(np.uint8)


def convert(x, dtype):
    """binary32 to the dtype. REQUIRES: no NaN."""
    if dtype == "FLOAT32":
        return x
    if dtype == "FLOAT64":
        return x.astype(F64)
    if dtype == "FLOAT16":
        with np.errstate(over="ignore", under="ignore"):
            return x.astype(np.float16)
    if dtype == "BFLOAT16":
        pattern = x.view(U32)
        return ((pattern + U32(0x7FFF) + ((pattern >> U32(16)) & U32(1))) >> U32(16)).astype(np.uint16)
    return _float8(x, dtype)


# 5. Digest


def bits(values):
    """Bit patterns as uint64."""
    return values.view(f"u{values.dtype.itemsize}").astype(U64)


def digest(values, first_index=0):
    """D of consecutive elements."""
    z = (np.arange(len(values), dtype=U64) + U64(first_index)) * U64(0x9E3779B97F4A7C15) + bits(values) + U64(1)
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return int(np.sum(z ^ (z >> U64(31)), dtype=U64))


def _draw_of_golden(text):
    """A function (indexes, dtype) for the golden file's spelling, e.g. "truncated_normal(0, 1, ABSOLUTE -1, 1)"."""
    method, arguments = re.fullmatch(r"(\w+)\((.*)\)", text).groups()
    absolute = "ABSOLUTE" in arguments
    numbers = [float(x) for x in arguments.replace("ABSOLUTE", "").split(",")]
    if absolute:
        mean, std, low, high = numbers
        a, b = ((low - mean) / std, (high - mean) / std) if std else (-math.inf, math.inf)
        numbers = [mean, std, a, b, low, high]
    return lambda seed, s, indexes, dtype: globals()[method](seed, s, indexes, tuple(numbers), dtype)


def check(path):
    """Compares every draw of the golden file. Returns the number of draws that differ."""
    with open(path, encoding="utf-8") as file:
        golden = json.load(file)
    seed, s = int(golden["seed"], 16), int(golden["subsequence"], 16)
    wrong = 0
    for line in golden["draws"]:
        draw = _draw_of_golden(line["draw"])
        same = True
        for key, expected in line.items():
            if key.startswith("at_"):
                indexes = int(key[3:]) + np.arange(len(expected), dtype=U64)
                got = bits(draw(seed, s, indexes, line["dtype"]))
                same &= [int(x, 16) for x in expected] == got.tolist()
            elif key.startswith("digest_of_"):
                same &= int(expected, 16) == digest(draw(seed, s, np.arange(int(key[10:])), line["dtype"]))
        if not same:
            print(f"differs: {line['draw']} {line['dtype']}")
            wrong += 1
    print(f"{len(golden['draws'])} draws, {wrong} differ")
    return wrong


if __name__ == "__main__":
    sys.exit(1 if check(sys.argv[1]) else 0)
