"""Modules: their tensors from a recipe, their recipe from them, and the proof that they are the recipe's."""

from __future__ import annotations

import hashlib
from typing import Any, Iterable, Iterator, Mapping, NamedTuple, Sequence

import torch

from .. import _core
from .._dtypes import number_of
from ..digests import Part, digest
from ..errors import DataLossError, FailedPreconditionError, InvalidArgumentError, NotFoundError, make, refuse
from ..recipe import Recipe
from ..weights import Read, Tensor, Weights
from ..weights import open as open_weights
from ._tensors import LocalPart, is_drawn, local_of, numpy_dtype_of, parts_of, share_memory

# What is drawn for tensors that do not lie on the CPU before it is copied to them.
_STAGING_BYTES = 1 << 30


class Report(NamedTuple):
    """What :func:`init_` did, by the module's own names."""

    filled: list[str]
    """Parameters and buffers that have the recipe's values now. Tied ones stand here once."""
    untouched_buffers: list[str]
    """Buffers that the recipe does not have. They are as they were; those that were on meta still are."""
    not_in_module: list[str]
    """Tensors of the recipe that the module does not have, for instance those of other pipeline stages."""


class _Target(NamedTuple):
    name: str
    tensor: torch.Tensor
    source: Tensor


def init_(
    module: torch.nn.Module,
    recipe: Recipe | Weights | str,
    source: str = "local",
    *,
    device: torch.device | str | None = None,
    rng_replay: bool = False,
    **options: Any,
) -> Report:
    """Fills every parameter of the module, and the buffers that the recipe has, in place.

    Args:
        module: plain, on ``meta``, or with DTensors of any mesh and placements (FSDP2, tensor parallelism, both): then this
            rank draws its own part alone. Values are drawn in the dtype of the parameter.
        recipe: a recipe, what :meth:`weightinit.Recipe.load` takes, or weights that are open already.
        source: as in :func:`weightinit.open`, to which ``options`` go too.
        device: where tensors on meta are made; required if there are any.
        rng_replay: draw what torch's own CPU generator would have drawn (:func:`weightinit.torch.replay`).

    Nothing is changed unless the whole module fits the recipe.

    Raises:
        NotFoundError: parameters that the recipe does not have; all of them are named.
        FailedPreconditionError: a parameter of another shape than the recipe's, or on meta without ``device``.
        UnsupportedError: FSDP1's flat parameters, partial sums.
    """
    if device is not None and torch.device(device).type == "meta":
        raise refuse("device", "meta has no memory for values")
    weights, owned = open_or_keep(recipe, source, options, rng_replay)
    try:
        targets, untouched = _match(module, weights)
        on_meta = [target for target in targets if target.tensor.is_meta]
        if on_meta:
            if device is None:
                raise make(
                    "FAILED_PRECONDITION", f"{_some([target.name for target in on_meta])}: on meta; say device= to make them there"
                )
            _materialize(module, on_meta, device)
            targets, untouched = _match(module, weights)
        with torch.no_grad():
            _fill(weights, ((target.name, target.tensor, target.source) for target in targets))
        filled = {target.source.name for target in targets}
        return Report([target.name for target in targets], untouched, [name for name in weights if name not in filled])
    finally:
        if owned:
            weights.close()


def replay(recipe: Recipe | str) -> Recipe:
    """The recipe with torch's CPU generator: its tensors, in its order, hold what ``torch.manual_seed(seed)`` and then one
    ``torch.nn.init`` function for each of them would give, bit for bit (``docs/replay.md``). A recipe that replays torch
    already, with ``draws`` or another build's arithmetic, stays as it is.

    Raises:
        InvalidArgumentError: the recipe replays JAX.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe)
    if recipe.generator == "jax_threefry":
        raise refuse("generator", "jax_threefry replays JAX; torch's generator has other words")
    return recipe if recipe.generator == "torch_cpu" else recipe.with_generator("torch_cpu")


def open_or_keep(recipe: Recipe | Weights | str, source: str, options: dict[str, Any], rng_replay: bool) -> tuple[Weights, bool]:
    """Weights, and whether they are the caller's to close."""
    if isinstance(recipe, Weights):
        if rng_replay and recipe.recipe.generator != "torch_cpu":
            raise refuse("rng_replay", "these weights are open already; open them of weightinit.torch.replay(recipe)")
        return recipe, False
    return open_weights(replay(recipe) if rng_replay else recipe, source, **options), True


def _match(module: torch.nn.Module, weights: Weights) -> tuple[list[_Target], list[str]]:
    """Every tensor of the module with the recipe's; and the buffers that stay as they are."""
    _check_module(module)
    targets: dict[int, _Target] = {}
    missing: dict[int, str] = {}
    tensor: torch.Tensor
    for name, tensor in _named_parameters(module):
        _refuse_flat(name, tensor)
        found = _find(weights, name)
        if found is not None:
            # A tied parameter has several names, and the recipe may know any of them.
            targets.setdefault(id(tensor), _Target(name, tensor, found))
        else:
            missing.setdefault(id(tensor), name)
    lost = [name for key, name in missing.items() if key not in targets]
    if lost:
        raise make(
            "NOT_FOUND", f"parameters that the recipe does not have: {_some(lost)}", [(name, "not in the recipe") for name in lost[:20]]
        )
    untouched = []
    for name, tensor in module.named_buffers():
        found = _find(weights, name)
        if found is None:
            untouched.append(name)
        else:
            targets[id(tensor)] = _Target(name, tensor, found)
    for target in targets.values():
        # With use_orig_params the flat parameter shows as pieces of it, in one dimension.
        if target.tensor.ndim == 1 < target.source.ndim and _has_fsdp1(module):
            raise _flat(target.name)
    check_shapes((target.name, tuple(target.tensor.shape), target.source) for target in targets.values())
    check_kinds(weights, ((target.name, local_of(target.tensor), target.source) for target in targets.values()))
    return list(targets.values()), untouched


def _named_parameters(module: torch.nn.Module) -> Iterable[tuple[str, torch.Tensor]]:
    """Tied ones under each of their names."""
    try:
        return module.named_parameters(remove_duplicate=False)
    except TypeError:  # before torch 2.0
        owners = module.named_modules(remove_duplicate=False)
        return [
            (f"{path}.{name}" if path else name, parameter)
            for path, owner in owners
            for name, parameter in owner._parameters.items()
            if parameter is not None
        ]


def _check_module(module: Any) -> None:
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"weights go into a torch.nn.Module, not {module if isinstance(module, type) else type(module).__name__}")


def _find(weights: Weights, name: str) -> Tensor | None:
    try:
        return weights[name]
    except NotFoundError:
        return None


def _some(names: list[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _refuse_flat(name: str, tensor: torch.Tensor) -> None:
    if type(tensor).__name__ == "FlatParameter" or getattr(tensor, "_is_flat_param", False):
        raise _flat(name)


def _flat(name: str) -> Exception:
    return make(
        "UNIMPLEMENTED",
        f"{name}: a flat parameter of FSDP1 mixes many tensors; wrap with FSDP2 (torch.distributed.fsdp.fully_shard), or call "
        "init_ before wrapping, or on the module inside FullyShardedDataParallel.summon_full_params",
    )


def _has_fsdp1(module: torch.nn.Module) -> bool:
    return any(type(part).__name__ == "FullyShardedDataParallel" for part in module.modules())


def check_shapes(shapes: Iterable[tuple[str, tuple[int, ...], Tensor]]) -> None:
    """Raises FailedPreconditionError for all shapes that are not the recipe's."""
    violations = [(name, shape_mismatch(shape, source)) for name, shape, source in shapes if shape != source.shape]
    if violations:
        lines = "\n".join(f"{name}: {what}" for name, what in violations[:20])
        raise make("FAILED_PRECONDITION", f"{len(violations)} of the shapes are not the recipe's:\n{lines}", violations[:20])


def check_kinds(weights: Weights, tensors: Iterable[tuple[str, torch.Tensor, Tensor]]) -> None:
    """Raises InvalidArgumentError for a type that is not drawn, or not for this tensor; UnsupportedError for sparse memory."""
    plan = weights.recipe.resolved()
    for name, tensor, source in tensors:
        if tensor.layout != torch.strided:
            raise make("UNIMPLEMENTED", f"{name}: {tensor.layout} is not filled, but torch.strided alone", [(name, "not strided")])
        try:
            plan.part(source.name_asked, None, number_of(numpy_dtype_of(tensor.dtype)))
        except InvalidArgumentError as error:
            raise refuse(name, error.violations[0].description) from None


def shape_mismatch(shape: tuple[int, ...], source: Tensor) -> str:
    """What is wrong, and what may be behind it."""
    what = f"the module has {list(shape)}, the recipe {list(source.shape)}"
    if len(shape) == len(source.shape) > 0 and shape[1:] == source.shape[1:] and shape[0] > source.shape[0]:
        padding = shape[0] - source.shape[0]
        what += f"; was the vocabulary padded by {padding}? Then give the recipe the padded shape, with zero_rows for the padding"
    return what


def _materialize(module: torch.nn.Module, targets: list[_Target], device: torch.device | str) -> None:
    """Makes memory for these tensors alone, without values. Tied parameters stay tied."""
    wanted = {id(target.tensor) for target in targets}
    owners: dict[int, list[tuple[torch.nn.Module, str]]] = {}
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is not None and id(parameter) in wanted:
                owners.setdefault(id(parameter), []).append((owner, name))
    # Through the module's own way of moving, which FSDP2 follows.
    module._apply(  # type: ignore[no-untyped-call]
        lambda tensor: torch.empty_like(tensor, device=device) if id(tensor) in wanted else tensor
    )
    for (first, first_name), *others in owners.values():
        for owner, name in others:
            owner._parameters[name] = first._parameters[first_name]


def _fill(weights: Weights, targets: Iterable[tuple[str, torch.Tensor, Tensor]]) -> None:
    boxes = []
    for name, tensor, source in targets:
        local = local_of(tensor)
        boxes += [(local[part.local], source, part.full) for part in parts_of(tensor, name)]
    fill_boxes(weights, boxes)


def fill_boxes(weights: Weights, boxes: Iterable[tuple[torch.Tensor, Tensor, tuple[slice, ...]]]) -> None:
    """Draws source[index] into each tensor, in parallel: in place on the CPU, elsewhere by way of it."""
    reads: list[Read] = []
    copies: list[tuple[torch.Tensor, torch.Tensor]] = []
    staged = 0

    def draw() -> None:
        weights.read_many(reads)
        for to, drawn in copies:
            to.copy_(drawn)
        reads.clear()
        copies.clear()

    for tensor, source, index in boxes:
        target = tensor
        if tensor.device.type != "cpu":
            target = torch.empty(tensor.shape, dtype=tensor.dtype)
            copies.append((tensor, target))
            staged += target.numel() * target.element_size()
        reads.append(Read(source.name_asked, index, share_memory(target)))
        if staged >= _STAGING_BYTES:
            draw()
            staged = 0
    draw()


# ----------------------------------------------------------------------------------------------------------------------


def manifest(module: torch.nn.Module, rules: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The recipe of a module but for its initializers: names, full shapes, dtypes and module types, tied weights as such. The
    module may be on meta.

    Args:
        rules: go into the recipe as they are. Buffers of types that are never drawn (complex, int16) are left out: :func:`init_`
            leaves them as they are.

    Returns:
        What :meth:`weightinit.Recipe.from_dict` takes; ``json.dump`` writes it as a recipe file.
    """
    _check_module(module)
    if isinstance(rules, (str, Mapping)):
        raise TypeError(f"rules are a list of rules, each a dict, not {type(rules).__name__}")
    tensors: list[dict[str, Any]] = []
    first_name: dict[int, str] = {}
    for name, tensor, owner, is_buffer in _named_tensors(module):
        if not is_drawn(tensor.dtype):
            if is_buffer:
                continue
            raise refuse(name, f"{tensor.dtype} is not drawn")
        entry: dict[str, Any] = {"name": name, "shape": list(tensor.shape), "module": _class_name(owner)}
        dtype = number_of(numpy_dtype_of(tensor.dtype))
        entry["dtype"] = {number: text for text, number in _core.dtypes.items()}[dtype]
        if is_buffer:
            entry["buffer"] = True
        if id(tensor) in first_name:
            entry["view"] = {"tied_to": first_name[id(tensor)]}
        first_name.setdefault(id(tensor), name)
        tensors.append(entry)
    return {"tensors": tensors, **({"rules": list(rules)} if rules is not None else {})}


def _named_tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor, torch.nn.Module, bool]]:
    """What a state_dict has, in its order; tied parameters under each of their names."""
    for path, owner in module.named_modules(remove_duplicate=False):
        prefix = _canonical(path) + "." if _canonical(path) else ""
        for name, parameter in owner._parameters.items():
            if parameter is not None:
                _refuse_flat(prefix + name, parameter)
                yield prefix + name, parameter, owner, False
        for name, buffer in owner._buffers.items():
            if buffer is not None and name not in owner._non_persistent_buffers_set:
                yield prefix + name, buffer, owner, True


def _canonical(path: str) -> str:
    wrappers = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")
    return ".".join(part for part in path.split(".") if part not in wrappers)


def _class_name(owner: torch.nn.Module) -> str:
    """Without what fully_shard makes of it: FSDPLinear derives from FSDPModule and Linear."""
    cls = type(owner)
    if len(cls.__bases__) == 2 and cls.__bases__[0].__name__ == "FSDPModule":
        cls = cls.__bases__[1]
    return cls.__name__


# ----------------------------------------------------------------------------------------------------------------------


def attest(module: torch.nn.Module, recipe: Recipe | Weights | str, *, rng_replay: bool = False, group: Any = None) -> int:
    """Proves that every rank holds the recipe's weights, without gathering them.

    Each rank compares the digests of what it holds, replicas included, with those of what it should hold, which it draws
    without keeping. Over ``group`` go 8 bytes for each tensor that a rank holds, which tell who counts a replica, and one sum.

    Returns:
        The model digest of the module's tensors that the recipe has, in their own dtypes, a part that several ranks hold
        counted once: for a whole model in the recipe's dtypes it is ``Recipe.digest()``.

    Raises:
        DataLossError: on every rank if any rank holds other values; a rank that does names its tensors.
        What :func:`init_` raises for a module that does not fit the recipe.
    """
    failure: Exception | None = None
    weights: Weights | None = None
    owned = False
    digests: dict[bytes, int] = {}
    wrong: list[str] = []
    try:
        weights, owned = open_or_keep(recipe, "local", {}, rng_replay)
        targets, _ = _match(module, weights)
        specs = weights.recipe.specs()
        for target in targets:
            value, right = _digest_of(target)
            wrong += [] if right else [target.name]
            dtype = number_of(numpy_dtype_of(target.tensor.dtype))
            origin = specs[specs[target.source.position].origin]  # tied tensors count once, tied in the module too or not
            weight = _core.digest_weight(origin.name, dtype, origin.shape)
            digests[_key_of(origin.name, dtype, parts_of(target.tensor, target.name))] = weight * value
    except Exception as error:  # the others must not wait for this rank
        failure = error
    finally:
        if owned and weights is not None:
            weights.close()
    total, others_wrong = _sum_over_ranks(digests, failure is not None or bool(wrong), group)
    if failure is not None:
        raise failure
    if wrong:
        raise make("DATA_LOSS", f"not the recipe's weights: {_some(wrong)}", [(name, "other values") for name in wrong[:20]])
    if others_wrong:
        raise DataLossError(f"{others_wrong} other ranks do not hold the recipe's weights", code="DATA_LOSS")
    return total


def _key_of(name: str, dtype: int, parts: list[LocalPart]) -> bytes:
    """What two ranks that hold the same part of the same tensor have in common."""
    boxes = [[(along.start, along.stop) for along in part.full] for part in parts]
    return hashlib.blake2b(repr((name, dtype, boxes)).encode(), digest_size=8).digest()


def _digest_of(target: _Target) -> tuple[int, bool]:
    """The digest of what this rank holds of a tensor, and whether it is what it should hold."""
    if target.tensor.is_meta:
        raise FailedPreconditionError(f"{target.name}: on meta, where nothing has values", code="FAILED_PRECONDITION")
    local, dtype = local_of(target.tensor), numpy_dtype_of(target.tensor.dtype)
    held = should = 0
    for part in parts_of(target.tensor, target.name):
        held += digest(local[part.local], Part(target.source.shape, part.full))
        should += target.source.digest(part.full, dtype)
    return held % 2**64, held == should


def _sum_over_ranks(digests: dict[bytes, int], is_wrong: bool, group: Any) -> tuple[int, int]:
    """(sum of the digests, mod 2^64, each key counted by the first rank that has it; how many other ranks are wrong)."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return sum(digests.values()) % 2**64, 0
    rank, world = torch.distributed.get_rank(group), torch.distributed.get_world_size(group)
    everyone: list[Any] = [None] * world
    torch.distributed.all_gather_object(everyone, (b"".join(digests), is_wrong), group=group)
    before = {keys[at : at + 8] for keys, _ in everyone[:rank] for at in range(0, len(keys), 8)}
    mine = sum(value for key, value in digests.items() if key not in before) % 2**64
    device = torch.device("cuda") if torch.distributed.get_backend(group) == "nccl" else torch.device("cpu")
    # int64 wraps as mod 2^64 does.
    total = torch.tensor([mine - 2**64 if mine >= 2**63 else mine], dtype=torch.int64, device=device)
    torch.distributed.all_reduce(total, group=group)
    return int(total[0]) % 2**64, sum(wrong for _, wrong in everyone) - int(is_wrong)
