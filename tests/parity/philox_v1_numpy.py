"""PHILOX_V1 from the words of docs/philox-v1.md §1 to §5, without its appendix.

Words, uniform values, rounding to every dtype, digests and the selection of sparse come out bit for bit. Normal and
truncated normal values are the exact ones that the document's tolerance speaks of, as good as binary64 gives them.
Nothing here is shared with tools/philox_v1_numpy.py, which also follows the appendix: two readers of one document.

Needs python3-numpy, and python3-scipy for the normal distribution function and its inverse.
"""
import hashlib
import math

import numpy as np
from scipy import special

# §1. Random words


def u64le(number):
    return int(number).to_bytes(8, "little")


def hash64(text):
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little")


def subsequence_of(name):
    utf8 = name.encode("utf-8")
    return hash64(b"weightinit-philox-v1" + b"\0" + u64le(len(utf8)) + utf8)


def philox_4x32_10(counter, key):
    """Salmon et al., SC'11: four words from four words, vectorized over the first axis of `counter`."""
    mask = np.uint64(0xFFFFFFFF)
    x = [counter[:, k].astype(np.uint64) for k in range(4)]
    keys = list(key)
    for _ in range(10):
        first = np.uint64(0xD2511F53) * x[0]
        second = np.uint64(0xCD9E8D57) * x[2]
        x = [(second >> np.uint64(32)) ^ x[1] ^ np.uint64(keys[0]), second & mask,
             (first >> np.uint64(32)) ^ x[3] ^ np.uint64(keys[1]), first & mask]
        keys = [(keys[0] + 0x9E3779B9) % 2**32, (keys[1] + 0xBB67AE85) % 2**32]
    return np.stack(x, axis=1).astype(np.uint32)


def words(seed, subsequence, indices, plane=0):
    indices = [int(i) for i in np.ravel(indices)]
    blocks = [i // 4 + plane * 2**62 for i in indices]
    counter = np.array([[b % 2**32, b // 2**32, subsequence % 2**32, subsequence // 2**32] for b in blocks],
                       dtype=np.uint64).reshape(-1, 4)
    block_words = philox_4x32_10(counter, (seed % 2**32, seed // 2**32))
    return block_words[np.arange(len(indices)), [i % 4 for i in indices]]


# §2. From words to values


def uniform_t(w):
    return ((w >> np.uint32(8)).astype(np.int64) - 2**23 + 0.5) * 2.0**-23  # exact in binary64, and in binary32


def uniform(seed, subsequence, indices, low, high, kind=np.float32):
    t = uniform_t(words(seed, subsequence, indices)).astype(kind)
    middle, half = kind((low + high) / 2), kind((high - low) / 2)
    return np.clip((middle + (half * t).astype(kind)).astype(kind), kind(low), kind(high))


def exact_normal_z(seed, subsequence, indices):
    """z of the exact logarithm, cosine and sine of the document's U and V."""
    indices = np.array([int(i) for i in np.ravel(indices)], dtype=object)
    even = indices - indices % 2
    w0, w1 = words(seed, subsequence, even), words(seed, subsequence, even + 1)
    f32 = np.float32
    fraction = ((w1 & np.uint32(0xFF)).astype(f32) + f32(0.5)) * f32(2.0**-8)
    u = np.minimum((w0.astype(f32) + fraction) * f32(2.0**-32), f32(1 - 2.0**-24)).astype(np.float64)
    v = ((w1 >> np.uint32(8)).astype(np.float64) + 0.5) * 2.0**-24
    radius = np.sqrt(-2 * np.log(u))
    # The angle from its quadrant, so that cosines near 0 keep their digits.
    quadrant, rest = np.divmod(v * 4, 1)
    sine, cosine = np.sin(rest * (math.pi / 2)), np.sin((1 - rest) * (math.pi / 2))
    quadrant = quadrant.astype(int)
    c = np.choose(quadrant, [cosine, -sine, -cosine, sine])
    s = np.choose(quadrant, [sine, cosine, -sine, -cosine])
    odd = (indices % 2).astype(bool)
    return radius * np.where(odd, s, c)


def exact_truncated_z(seed, subsequence, indices, a, b):
    u = (words(seed, subsequence, indices).astype(np.float64) + 0.5) * 2.0**-32
    phi = special.ndtr
    if a > 0:  # all of it in the upper tail
        below_is_small = np.zeros(u.shape, dtype=bool)
        probability = phi(-a) - phi(-b)
    elif b < 0:
        below_is_small = np.ones(u.shape, dtype=bool)
        probability = phi(b) - phi(a)
    else:
        probability = phi(b) - phi(a)
        below_is_small = phi(a) + u * probability <= 0.5
    below = phi(a) + u * probability
    above = phi(-b) + (1 - u) * probability
    z = np.where(below_is_small, special.ndtri(np.where(below_is_small, below, 0.5)),
                 -special.ndtri(np.where(below_is_small, 0.5, above)))
    return np.clip(z, np.float32(a), np.float32(b))


def affine(z, mean, std, kind=np.float32):
    """mean + std·z, the product rounded, then the sum; z is binary32."""
    return (kind(mean) + (kind(std) * z.astype(kind)).astype(kind)).astype(kind)


def ulp32(x):
    """ulp(t) = 2^(⌊log2|t|⌋ − 23)"""
    return np.exp2(np.floor(np.log2(np.maximum(np.abs(x), 1e-300))) - 23)


def tolerance(exact, k):
    return np.maximum(k * ulp32(exact), 2.0**-22)


# §2. Other dtypes: by tables of everything the format can hold, and the midpoints between.


def _small_floats(exponent_bits, mantissa_bits, highest_code):
    """Non-negative values of the codes 0 … highest_code."""
    bias = 2**(exponent_bits - 1) - 1
    codes = np.arange(highest_code + 1)
    exponent, mantissa = codes >> mantissa_bits, codes & (2**mantissa_bits - 1)
    normal = (1 + mantissa / 2**mantissa_bits) * np.exp2(exponent.astype(float) - bias)
    return np.where(exponent == 0, mantissa / 2**mantissa_bits * np.exp2(1.0 - bias), normal)


_FORMATS = {  # bits of exponent and mantissa, code of the largest finite number, code beyond it, sign bit, type
    "FLOAT8_E4M3FN": (4, 3, 0x7E, 0x7E, 0x80, np.uint8),
    "FLOAT8_E5M2": (5, 2, 0x7B, 0x7B, 0x80, np.uint8),
    "FLOAT16": (5, 10, 0x7BFF, 0x7C00, 0x8000, np.uint16),
    "BFLOAT16": (8, 7, 0x7F7F, 0x7F80, 0x8000, np.uint16),
}


def to_bits(x, dtype):
    """Bit patterns of binary32 values rounded once to the dtype, to nearest even. FLOAT64 takes binary64 values."""
    if dtype == "FLOAT32":
        return x.astype(np.float32).view(np.uint32)
    if dtype == "FLOAT64":
        return x.astype(np.float64).view(np.uint64)
    exponent_bits, mantissa_bits, largest, beyond, sign_bit, kind = _FORMATS[dtype]
    values = _small_floats(exponent_bits, mantissa_bits, largest)
    # The place of the next code would be: what rounds to it is beyond.
    values = np.append(values, 2 * values[-1] - values[-2])
    midpoints = (values[:-1] + values[1:]) / 2  # exact in binary64
    magnitude = np.abs(x.astype(np.float64))
    code = np.searchsorted(midpoints, magnitude, side="left")  # at a midpoint: the lower code
    tie = (code < midpoints.size) & (midpoints[np.minimum(code, midpoints.size - 1)] == magnitude)
    code = np.where(tie & (code % 2 == 1), code + 1, code)
    code = np.where(code > largest, beyond, code)
    return (code + np.where(np.signbit(x), sign_bit, 0)).astype(kind)


# §4. Structured methods


def sparse_zeros(seed, subsequence, rows, cols, sparsity):
    """Which elements of (rows, cols) become +0."""
    w = words(seed, subsequence, np.arange(rows * cols), plane=2).reshape(rows, cols)
    count = min(rows, math.ceil(sparsity * rows))
    zeros = np.zeros((rows, cols), dtype=bool)
    for column in range(cols):
        order = sorted(range(rows), key=lambda row: (w[row, column], row))
        zeros[order[:count], column] = True
    return zeros


def orthogonal_factor(g):
    """Q of a binary64 matrix, with R's diagonal ≥ 0; of its transpose where it is wide."""
    wide = g.shape[0] < g.shape[1]
    q, r = np.linalg.qr(g.T if wide else g)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return q.T if wide else q


# §5. Digests


def digest(bits, indices):
    total = 0
    for i, x in zip(indices, bits):
        z = (int(i) * 0x9E3779B97F4A7C15 + int(x) + 1) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        total += z ^ z >> 31
    return total % 2**64


def digest_weight(name, dtype, shape):
    utf8, spelled = name.encode("utf-8"), dtype.encode()
    return hash64(b"weightinit-digest-v1" + b"\0" + u64le(len(utf8)) + utf8 + u64le(len(spelled)) + spelled
                  + u64le(len(shape)) + b"".join(u64le(dim) for dim in shape)) | 1
