"""Indexing: the boxes are NumPy's."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from weightinit._index import box_of, place_of


@given(st.data())
def test_a_box_selects_what_numpy_selects(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=False))
    box = box_of(index, shape)
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    # What the library would draw: the logical indices of the box, row-major.
    base, strides = place_of(box, shape)
    drawn = np.full(box.sizes(), base)
    for axis, stride in enumerate(strides):
        drawn += stride * np.arange(drawn.shape[axis]).reshape([-1 if d == axis else 1 for d in range(drawn.ndim)])
    result = drawn.reshape(box.shape)
    if box.flip is not None:
        result = result[box.flip]
    np.testing.assert_array_equal(result, numbers[index])
    for start, size, step in box.dims or ():
        assert start >= 0 and size >= 0 and step >= 1


@pytest.mark.parametrize("index", [5, -6, (0, 3), (0, 0, 0), (..., ...), [0, 1], None, True, np.array([0, 1]), "a", 1.5, (slice(None), None)])
def test_what_is_no_box_is_an_index_error(index):
    with pytest.raises((IndexError, TypeError)):
        box_of(index, (5, 3))


@pytest.mark.parametrize("step", [10**30, -(10**30)])
def test_a_step_beyond_every_extent_selects_one(step):
    assert box_of(slice(None, None, step), (5,)).dims == ((0 if step > 0 else 4, 1, 1),)


def test_numpy_integers_are_integers():
    assert box_of(np.int32(-1), (5,)) == box_of(4, (5,))
    assert box_of(np.array(2), (5,)) == box_of(2, (5,))
