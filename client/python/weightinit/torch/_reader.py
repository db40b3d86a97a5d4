"""A distributed checkpoint that was never written."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    TensorProperties,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadItemType, LoadPlan, LoadPlanner
from torch.distributed.checkpoint.storage import StorageReader
from torch.futures import Future

from ..errors import NotFoundError, make
from ..recipe import Recipe
from ..weights import Tensor, Weights
from ._modules import _some, check_kinds, fill_boxes, open_or_keep, shape_mismatch
from ._tensors import dtype_of


class RecipeReader(StorageReader):
    """A StorageReader for ``torch.distributed.checkpoint.load`` that draws what a checkpoint would hold::

        dcp.load(state_dict, storage_reader=RecipeReader("recipe.yaml", "host:50051", prefix="model."))

    Values are drawn in the target's dtype, straight into the target, each rank its own boxes. It answers model state only.

    Args:
        recipe: a recipe, what :meth:`weightinit.Recipe.load` takes, or weights that are open already.
        source: as in :func:`weightinit.open`, to which ``options`` go too.
        prefix: what stands before the recipe's names in the flattened state_dict: ``"model."`` for ``{"model": {…}}``.
        rng_replay: draw what torch's own CPU generator would have drawn (:func:`weightinit.torch.replay`).

    Errors of the load, on every rank, once and before anything is drawn:
        NotFoundError: all keys that a recipe cannot have (optimizer, dataloader, ``_extra_state``), unless the planner says
            allow_partial_load: then they stay as they are.
        FailedPreconditionError: a tensor of another shape than the recipe's.

    DCP wraps what one rank raises into a CheckpointException that every rank gets.
    """

    def __init__(
        self,
        recipe: Recipe | Weights | str,
        source: str = "local",
        *,
        prefix: str = "",
        rng_replay: bool = False,
        **options: Any,
    ) -> None:
        if not isinstance(prefix, str):
            raise TypeError(f"a prefix is a str, not {type(prefix).__name__}")
        self._weights, _ = open_or_keep(recipe, source, options, rng_replay)
        self._prefix = prefix

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        return Metadata(state_dict_metadata=_Entries(self._weights, self._prefix))

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        pass

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        unknown = [item.storage_index.fqn for item in plan.items if item.type == LoadItemType.BYTE_IO]
        if unknown and not getattr(planner, "allow_partial_load", False):
            known = "" if len(unknown) < len(plan.items) else f" (its keys are such as {self._prefix}{next(iter(self._weights), '')})"
            raise make(
                "NOT_FOUND",
                f"keys that the recipe does not have{known}: {_some(unknown)}; load model state alone, or with a planner that says "
                "allow_partial_load=True",
                [(key, "not in the recipe") for key in unknown[:20]],
            )
        entries = _Entries(self._weights, self._prefix)
        boxes, targets = [], []
        for item in plan.items:
            if item.type != LoadItemType.TENSOR:
                continue
            target = planner.resolve_tensor(item).detach()
            index = tuple(slice(begin, begin + size) for begin, size in zip(item.storage_offsets, item.lengths))
            boxes.append((target, entries.tensor(item.storage_index.fqn), index))
            targets.append((item, target))
        check_kinds(self._weights, ((item.storage_index.fqn, target, entries.tensor(item.storage_index.fqn)) for item, target in targets))
        with torch.no_grad():
            fill_boxes(self._weights, boxes)
        for item, target in targets:
            planner.commit_tensor(item, target)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        pass

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return False  # never chosen by a path


class _Size(tuple):  # type: ignore[type-arg]
    """The full shape. DCP's planners compare it with the target's and would not say what may be behind a difference."""

    key: str
    source: Tensor

    def __ne__(self, other: object) -> bool:
        if tuple(self) == tuple(other):  # type: ignore[arg-type]
            return False
        what = shape_mismatch(tuple(other), self.source)  # type: ignore[arg-type]
        raise make("FAILED_PRECONDITION", f"{self.key}: {what}", [(self.key, what)])

    __hash__ = tuple.__hash__


class _Entries(dict[str, Any]):
    """What planners look keys up in. It has the recipe's tensors, answers to every name that leads to one, and takes other keys
    for objects, so that the reader sees them all at once and not the planner the first alone."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        super().__init__()
        self._weights, self._prefix = weights, prefix
        for name in weights:
            super().__setitem__(prefix + name, self._entry(prefix + name, weights[name]))

    def tensor(self, key: str) -> Tensor:
        """Raises NotFoundError."""
        if not key.startswith(self._prefix):
            raise NotFoundError(f"{key} does not begin with '{self._prefix}'", code="NOT_FOUND")
        return self._weights[key[len(self._prefix) :]]

    @staticmethod
    def _entry(key: str, source: Tensor) -> TensorStorageMetadata:
        size = _Size(source.shape)
        size.key, size.source = key, source
        chunk = ChunkStorageMetadata(offsets=torch.Size([0] * source.ndim), sizes=torch.Size(source.shape))
        return TensorStorageMetadata(TensorProperties(dtype=dtype_of(source.dtype)), size, [chunk])  # type: ignore[arg-type]

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> TensorStorageMetadata | BytesStorageMetadata:
        try:
            return self._entry(key, self.tensor(key))
        except NotFoundError:
            return BytesStorageMetadata()

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]
