"""A model spread over eight devices, each part drawn alone; its bits are those of one device.

    python jax_sharded.py
"""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import hashlib  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding  # noqa: E402

import weightinit  # noqa: E402
import weightinit.jax  # noqa: E402

RULES = [
    {"name_regex": r".*\.bias", "init": "zeros"},
    {"name_regex": r".*\.kernel", "init": "lecun_normal", "fan": {"layout": "IN_OUT"}},
]


def init(width):
    """What a model's own init would return; only its shapes are used."""
    layer = lambda: {"kernel": jnp.zeros((width, width)), "bias": jnp.zeros(width)}  # noqa: E731
    return {"params": {f"Dense_{i}": layer() for i in range(4)}}


def sha256(tree):
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree_util.tree_leaves(tree))).hexdigest()


def main():
    shapes = jax.eval_shape(lambda: init(512))
    recipe = weightinit.Recipe.from_dict(weightinit.jax.manifest(shapes, RULES), seed=42)
    mesh = Mesh(np.array(jax.devices()).reshape(-1, 2), ("data", "model"))
    sharded = jax.tree_util.tree_map(lambda leaf: NamedSharding(mesh, P("data", "model") if leaf.ndim == 2 else P("model")), shapes)
    single = jax.tree_util.tree_map(lambda _: SingleDeviceSharding(jax.devices()[0]), shapes)
    for name, shardings in (("one device", single), (f"{len(jax.devices())} devices", sharded)):
        print(f"{name:10}  sha256 {sha256(weightinit.jax.initialize(recipe, shardings))}")


if __name__ == "__main__":
    main()
