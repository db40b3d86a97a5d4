"""Weights as sharded JAX arrays, each device's part drawn alone.

::

    shapes = jax.eval_shape(model.init, key, batch)
    recipe = weightinit.Recipe.from_dict(weightinit.jax.manifest(shapes, rules))
    params = weightinit.jax.initialize(recipe, shardings)       # shardings: a tree like shapes

A leaf's name is its path, joined by dots: ``params.Dense_0.kernel``.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from ._dtypes import NAME_OF_NUMBER, number_of, to_numpy
from .errors import InvalidArgumentError, refuse
from .recipe import Recipe
from .weights import Tensor, Weights
from .weights import open as open_weights


def initialize(recipe: Recipe | Weights | str, shardings: Any, source: str = "local", *, dtype: npt.DTypeLike | None = None, **options: Any) -> Any:
    """Global arrays of a recipe, in the shardings' own tree.

    Args:
        recipe: a recipe, what :meth:`weightinit.Recipe.load` takes, or weights that are open already.
        shardings: a tree with a ``jax.sharding.Sharding`` at each leaf, whose path names a tensor of the recipe; or one sharding
            for everything, which gives a dict by name.
        source: as in :func:`weightinit.open`, to which ``options`` go too.
        dtype: of all arrays; default: the recipe's. float64 is float32 where JAX has it so (``jax_enable_x64``).

    Every process makes the parts of its own devices, through ``jax.make_array_from_callback``; a part that several devices hold
    is drawn once.

    Raises:
        NotFoundError: a leaf whose path is no name of the recipe.
        TypeError: a leaf that is no sharding.
    """
    if not isinstance(recipe, Weights):
        with open_weights(recipe, source, **options) as weights:
            return initialize(weights, shardings, dtype=dtype)
    if isinstance(shardings, jax.sharding.Sharding):
        shardings = {name: shardings for name in recipe}
    leaves, tree = jax.tree_util.tree_flatten_with_path(shardings, is_leaf=_is_sharding)
    for path, leaf in leaves:
        if not _is_sharding(leaf):
            raise TypeError(f"shardings: at '{name_of(path)}' belongs a jax.sharding.Sharding, not {type(leaf).__name__}")
    tensors = [recipe[name_of(path)] for path, _ in leaves]  # all are known before the first is drawn
    arrays = [_array(tensor, sharding, dtype) for tensor, (_, sharding) in zip(tensors, leaves)]
    return jax.tree_util.tree_unflatten(tree, arrays)


def _is_sharding(leaf: Any) -> bool:
    return isinstance(leaf, jax.sharding.Sharding)


def _array(tensor: Tensor, sharding: jax.sharding.Sharding, dtype: npt.DTypeLike | None) -> jax.Array:
    wanted = tensor.dtype if dtype is None else to_numpy(dtype)
    if wanted == np.float64:  # rounded once
        wanted = np.dtype(jax.dtypes.canonicalize_dtype(wanted))
    drawn: dict[str, np.ndarray] = {}  # slices cannot be keys before Python 3.12

    def draw(index: tuple[slice, ...] | None) -> np.ndarray:
        key = str(index)
        if key not in drawn:
            drawn[key] = tensor.read(... if index is None else index, wanted)
        return drawn[key]

    return jax.make_array_from_callback(tensor.shape, sharding, draw)


def manifest(shapes: Any, rules: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The recipe of a tree of shapes (``jax.eval_shape``, or arrays) but for its initializers: what
    :meth:`weightinit.Recipe.from_dict` takes.

    Rules of Flax' kernels want ``fan: {layout: IN_OUT}``: their shapes are (k…, in, out).
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(shapes)
    tensors = [_entry(name_of(path), leaf) for path, leaf in leaves]
    return {"tensors": tensors, **({"rules": list(rules)} if rules is not None else {})}


def _entry(name: str, leaf: Any) -> dict[str, Any]:
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        raise TypeError(f"'{name}': {type(leaf).__name__} has no shape and dtype; jax.eval_shape gives trees of them")
    try:
        dtype = NAME_OF_NUMBER[number_of(np.dtype(leaf.dtype))]
    except (TypeError, InvalidArgumentError):  # keys have dtypes that NumPy does not know
        raise refuse(name, f"{leaf.dtype} is not drawn") from None
    return {"name": name, "shape": list(leaf.shape), "dtype": dtype}


def name_of(path: Sequence[Any]) -> str:
    """The name of a leaf at this path of a tree: its keys, joined by dots."""
    parts = []
    for key in path:
        for attribute in ("key", "name", "idx"):
            if hasattr(key, attribute):
                parts.append(str(getattr(key, attribute)))
                break
        else:
            parts.append(str(key))
    return ".".join(parts)


def initializer(init: str | Mapping[str, Any], *, layout: str = "IN_OUT", draw_name: str = "") -> Callable[..., jax.Array]:
    """An initializer with the signature of those of ``jax.nn.initializers``: ``(key, shape, dtype=float32) → Array``.

    Args:
        init: as in a recipe: ``"kaiming_normal"``, ``"truncated_normal(std=0.02)"``.
        layout: how fans are read off the shape: IN_OUT, as JAX has it, or OUT_IN, as torch has it.
        draw_name: what keys the words besides the key.

    The seed is the key's first 64 bits: equal keys, equal bits, whatever the device and the sharding. Works under ``jit`` and
    ``vmap``, where the host draws (``jax.pure_callback``).

    Raises:
        InvalidArgumentError: from here, what is wrong with the initializer; from the call, a shape without fans, a dtype that is
            not drawn, or what is not one key.
    """
    if not isinstance(draw_name, str):
        raise TypeError(f"a draw name is a str, not {type(draw_name).__name__}")

    def recipe_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Recipe:
        tensor = {"name": "w", "shape": shape, "dtype": NAME_OF_NUMBER[number_of(dtype)], "init": init, "fan": {"layout": layout}}
        return Recipe.from_dict({"tensors": [{**tensor, "draw_name": draw_name}]})

    # What is wrong with it is said here and not in the middle of a model.
    recipe_of((1, 1, 1), np.dtype(np.float32))

    def initialize_one(key: Any, shape: Sequence[int], dtype: Any = np.float32, out_sharding: Any = None) -> jax.Array:
        shape, dtype = tuple(map(int, shape)), to_numpy(jax.dtypes.canonicalize_dtype(dtype))
        recipe = recipe_of(shape, dtype)
        recipe.resolved()  # raises here and not in the callback
        words = _words_of(key)

        def draw(words: np.ndarray) -> np.ndarray:
            first, second, *_ = np.asarray(words)
            with open_weights(recipe.with_seed(int(first) << 32 | int(second))) as weights:
                return weights["w"][...]

        like = jax.ShapeDtypeStruct(shape, dtype)  # type: ignore[no-untyped-call]
        result: jax.Array = jax.pure_callback(draw, like, words, vmap_method="sequential")
        if out_sharding is None:
            return result
        # Within jit, device_put leaves a callback's result on its one device.
        place = jax.lax.with_sharding_constraint if isinstance(result, jax.core.Tracer) else jax.device_put
        placed: jax.Array = place(result, out_sharding)
        return placed

    return initialize_one


def _words_of(key: Any) -> jax.Array:
    """A key's 32-bit words, two or more."""
    if not hasattr(key, "dtype"):
        raise TypeError(f"a key comes from jax.random.key or PRNGKey; {type(key).__name__} does not")
    words = jax.random.key_data(key) if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key
    if words.dtype != np.uint32 or words.ndim != 1 or words.size < 2:
        raise refuse("key", f"{words.dtype}{list(words.shape)} is not one key of 64 bits or more")
    return words
