"""Digests against the specification, computed by NumPy alone (docs/philox-v1.md §5)."""

import numpy as np
import pytest
from conftest import MIXED
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import weightinit
from weightinit import errors


def digest_by_numpy(array, indices=None):
    """A sum over elements, of their bits and their index in the full tensor."""
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view(f"u{flat.dtype.itemsize}").astype(np.uint64)
    at = np.arange(flat.size, dtype=np.uint64) if indices is None else np.asarray(indices, dtype=np.uint64).reshape(-1)
    z = at * np.uint64(0x9E3779B97F4A7C15) + bits + np.uint64(1)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int((z ^ (z >> np.uint64(31))).sum(dtype=np.uint64))


@settings(deadline=None)
@given(st.data())
def test_a_parts_digest_is_that_of_the_specification(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, max_side=6))
    array = data.draw(hnp.arrays(data.draw(st.sampled_from(["f4", "f2", "f8", "u1", "i8"])), shape))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=False))
    indices = np.arange(array.size).reshape(shape)[index]
    part = np.asarray(array[index])
    assert weightinit.digest(part, weightinit.Part(shape, index)) == digest_by_numpy(part, indices)
    assert weightinit.digest(array) == digest_by_numpy(array)


def test_digests_of_parts_add_up(server):
    recipe = weightinit.Recipe.from_dict(MIXED)
    with weightinit.open(recipe) as local, weightinit.open(recipe, server.address) as remote:
        for name in local:
            tensor = local[name]
            assert tensor.digest() == remote[name].digest() == weightinit.digest(tensor[...])
            if tensor.ndim:
                parts = [np.s_[::2], np.s_[1::2]]
                assert sum(tensor.digest(part) for part in parts) % 2**64 == tensor.digest()
                assert [remote[name].digest(part) for part in parts] == [tensor.digest(part) for part in parts]
        digests = {name: local[name].digest() for name in local}
        assert weightinit.model_digest(recipe, digests) == local.digest()
        rest = dict(digests)
        first = {"norm": rest.pop("norm")}
        assert (weightinit.model_digest(recipe, first) + weightinit.model_digest(recipe, rest)) % 2**64 == local.digest()


def test_a_wrong_part_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="array"):
        weightinit.digest(np.zeros((2, 3), np.float32), weightinit.Part((4, 3), np.s_[:3]))
    with pytest.raises(errors.InvalidArgumentError, match="dtype"):
        weightinit.digest(np.zeros(3, np.uint16))
