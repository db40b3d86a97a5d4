"""JAX on eight forced host devices."""

import hashlib
import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from conftest import bits, need  # noqa: E402

jax = need("jax")

import jax.numpy as jnp  # noqa: E402
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P, SingleDeviceSharding  # noqa: E402

import weightinit  # noqa: E402
import weightinit.jax as wj  # noqa: E402
from weightinit import errors  # noqa: E402

SHAPES = {
    "dense": [{"kernel": jax.ShapeDtypeStruct((64, 48), jnp.float32), "bias": jax.ShapeDtypeStruct((48,), jnp.float32)}],
    "embed": jax.ShapeDtypeStruct((40, 16), jnp.bfloat16),
}
RULES = [
    {"name_regex": r".*\.kernel", "init": "lecun_normal", "fan": {"layout": "IN_OUT"}},
    {"name_regex": r".*\.bias", "init": "zeros"},
    {"name_regex": "embed", "init": "normal(std=0.02)"},
]


@pytest.fixture(scope="module")
def recipe():
    return weightinit.Recipe.from_dict(wj.manifest(SHAPES, RULES), seed=3)


def sha256(tree):
    return hashlib.sha256(b"".join(bits(np.asarray(leaf)) for leaf in jax.tree_util.tree_leaves(tree))).hexdigest()


def shardings(spec_of):
    mesh = Mesh(np.array(jax.devices()).reshape(4, 2), ("data", "model"))
    return jax.tree_util.tree_map(lambda shape: NamedSharding(mesh, spec_of(shape)), SHAPES)


def test_manifest(recipe):
    assert [tensor.name for tensor in recipe.tensors] == ["dense.0.bias", "dense.0.kernel", "embed"]
    assert recipe.plan()["dense.0.kernel"].fan_in == 64


@pytest.mark.parametrize("where", ["local", "remote"])
def test_a_sharded_model_is_the_single_devices(recipe, server, where):
    source = "local" if where == "local" else server.address
    single = wj.initialize(recipe, jax.tree_util.tree_map(lambda _: SingleDeviceSharding(jax.devices()[0]), SHAPES))
    assert jax.tree_util.tree_structure(single) == jax.tree_util.tree_structure(SHAPES)
    for spec_of in (
        lambda shape: P("data"),
        lambda shape: P(*[None] * (len(shape.shape) - 1), "model"),
        lambda shape: P(("data", "model")),
        lambda shape: P("model", "data") if len(shape.shape) == 2 else P(),
    ):
        there = wj.initialize(recipe, shardings(spec_of), source)
        assert sha256(there) == sha256(single)
        assert there["embed"].sharding == shardings(spec_of)["embed"]
    assert weightinit.digest(there["embed"]) == weightinit.open(recipe)["embed"].digest()


def test_each_part_is_drawn_once_and_alone(recipe, monkeypatch):
    drawn, read = [], weightinit.Tensor.read

    def spy(tensor, *arguments):
        part = read(tensor, *arguments)
        drawn.append(part.nbytes)
        return part

    monkeypatch.setattr(weightinit.Tensor, "read", spy)
    wj.initialize(recipe, shardings(lambda shape: P("data")))  # on four devices, and their four replicas
    assert sum(drawn) == recipe.nbytes and len(drawn) == 3 * 4


def test_one_sharding_gives_a_dict(recipe):
    arrays = wj.initialize(recipe, SingleDeviceSharding(jax.devices()[1]), dtype="float16")
    with weightinit.open(recipe) as weights:
        assert list(arrays) == list(weights)
        for name, array in arrays.items():
            assert bits(np.asarray(array)) == bits(weights[name].read(dtype="float16"))


def test_a_path_that_is_no_name(recipe):
    with pytest.raises(errors.NotFoundError, match="dense.1.kernel"):
        wj.initialize(recipe, {"dense": {"1": {"kernel": SingleDeviceSharding(jax.devices()[0])}}})


def test_initializer_has_jaxs_signature():
    init = wj.initializer("lecun_normal")
    key = jax.random.key(5)
    eager, jitted = init(key, (300, 200), jnp.float32), jax.jit(init, static_argnums=(1, 2))(key, (300, 200), jnp.float32)
    assert bits(np.asarray(eager)) == bits(np.asarray(jitted)) == bits(np.asarray(init(jax.random.PRNGKey(5), (300, 200))))
    assert np.asarray(eager).std() == pytest.approx(300**-0.5, rel=0.02)
    reference = np.asarray(jax.nn.initializers.lecun_normal()(key, (300, 200), jnp.float32))
    assert np.asarray(eager).std() == pytest.approx(reference.std(), rel=0.02)
    assert np.abs(np.asarray(eager)).max() == pytest.approx(np.abs(reference).max(), rel=0.05)
    assert bits(np.asarray(init(jax.random.key(6), (300, 200)))) != bits(np.asarray(eager))
    assert wj.initializer("normal")(key, (4,), jnp.bfloat16).dtype == jnp.bfloat16
    with pytest.raises(errors.InvalidArgumentError):
        wj.initializer("lecun_norm")


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_initializer_gives_the_sharding_that_is_asked_for(transform):
    init = wj.initializer("normal(std=0.02)")
    key = jax.random.key(0)
    spread = NamedSharding(Mesh(np.array(jax.devices()), ("data",)), P("data"))
    sharded = transform(lambda key: init(key, (8, 4), out_sharding=spread))(key)
    assert sharded.sharding.is_equivalent_to(spread, 2)
    assert bits(sharded) == bits(init(key, (8, 4)))


def test_initializer_under_vmap():
    init = wj.initializer("lecun_normal")
    keys = jax.random.split(jax.random.key(1), 3)
    stacked = jax.vmap(lambda key: init(key, (8, 4)))(keys)
    assert bits(np.asarray(stacked)) == b"".join(bits(np.asarray(init(key, (8, 4)))) for key in keys)


@pytest.mark.parametrize(
    "action, class_, text",
    [
        (lambda recipe: wj.initialize(recipe, {"embed": P("data")}), TypeError, "at 'embed' belongs a jax.sharding.Sharding"),
        (lambda recipe: wj.manifest({"a": 3}), TypeError, "'a': int has no shape and dtype"),
        (lambda recipe: wj.manifest({"a": jax.ShapeDtypeStruct((2,), jnp.complex64)}), ValueError, "a: complex64 is not drawn"),
        (lambda recipe: wj.initializer("normal")(3, (2, 2)), TypeError, "a key comes from jax.random.key"),
        (lambda recipe: wj.initializer("normal")(jax.random.split(jax.random.key(0)), (2, 2)), ValueError, "is not one key"),
        (lambda recipe: wj.initializer("lecun_normal")(jax.random.key(0), (2,)), ValueError, "fewer than two dimensions"),
    ],
)
def test_wrong_uses_are_said(recipe, action, class_, text):
    with pytest.raises(class_, match=text):
        action(recipe)
