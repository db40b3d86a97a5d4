"""Recipes, and the plans that they resolve to."""

from __future__ import annotations

import importlib.resources
import json
import operator
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _core
from ._dtypes import NAME_OF_NUMBER, NUMPY_OF_NUMBER
from .errors import make, refuse

if TYPE_CHECKING:
    from .v1 import plan_pb2, recipe_pb2


class TensorSpec(NamedTuple):
    """One tensor of a recipe, as written there."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    module: str
    """Type of the module that holds it, such as ``"Linear"``; empty where the recipe says none."""
    buffer: bool
    """Not a parameter, for instance a running mean."""


class Resolved(NamedTuple):
    """One tensor of a resolved recipe. Not for users."""

    name: str
    shape: tuple[int, ...]
    dtype: int
    """The API's number."""
    origin: int
    """Position of the tensor whose elements these are: the one that it is tied to, else its own."""


class Recipe:
    """A whole model: tensors, rules, seed, generator. Immutable; resolved when something first needs it.

    Make one with :meth:`load`, :meth:`parse` or :meth:`from_dict`.
    """

    def __init__(self, handle: _core.Recipe) -> None:
        self._handle = handle
        self._plan: _core.Plan | None = None
        self._specs: list[Resolved] = []

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, seed: int | None = None) -> Recipe:
        """Reads a recipe in YAML or JSON, or a ready recipe by its name (:func:`ready_recipes`).

        Args:
            path: the file, or the name.
            seed: instead of the recipe's.

        Raises:
            InvalidArgumentError: with file, line and field: ``recipe.yaml:12: rules[2].init: …``.
            NotFoundError: neither a file nor a ready recipe.
        """
        text = os.fspath(path)
        if os.path.exists(text):
            return cls(_core.Recipe.load(text))._with(seed)
        names = ready_recipes()
        if text in names:
            return cls.parse(_ready(text), name=f"recipes/{text}.yaml", seed=seed)
        raise make("NOT_FOUND", f"'{text}' is neither a file nor a ready recipe; known: {', '.join(names)}")

    @classmethod
    def parse(cls, text: str, *, name: str = "recipe", seed: int | None = None) -> Recipe:
        """A recipe of its text in YAML or JSON; ``name`` stands in errors where a file's would."""
        if not isinstance(text, str):
            raise TypeError(f"a recipe's text is a str, not {type(text).__name__}")
        return cls(_core.Recipe.parse(text, name))._with(seed)

    @classmethod
    def from_dict(cls, recipe: Mapping[str, Any], *, seed: int | None = None) -> Recipe:
        """A recipe of the same keys as in a file::

            Recipe.from_dict({"seed": 1, "tensors": [{"name": "w", "shape": [2, 3], "init": "normal(std=0.02)"}]})

        NumPy's numbers and arrays stand for Python's.
        """
        return cls.parse(json.dumps(recipe, default=_plain), name="from_dict", seed=seed)

    def _with(self, seed: int | None) -> Recipe:
        return self if seed is None else self.with_seed(seed)

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe with another seed, 0 ≤ seed < 2**64. Raises InvalidArgumentError for one outside."""
        try:
            number = operator.index(seed)
        except TypeError:
            raise TypeError(f"a seed is an int, not {type(seed).__name__}") from None
        if not 0 <= number < 2**64:
            raise refuse("seed", f"{number} is outside [0, 2^64)")
        return Recipe(self._handle.with_seed(number))

    def with_generator(self, generator: str) -> Recipe:
        """The same recipe drawn by another generator: ``"philox_v1"``, ``"torch_cpu"``, ``"jax_threefry"``, or with parameters
        ``"torch_cpu(variant=DEFAULT, torch_version=1.13)"``.

        Raises:
            InvalidArgumentError: no such generator. What it cannot draw is said when the recipe is resolved.
        """
        if not isinstance(generator, str):
            raise TypeError(f"a generator is named by a str, not {type(generator).__name__}")
        return Recipe(self._handle.with_generator(generator))

    @property
    def generator(self) -> str:
        """Where random words come from, without parameters: ``"philox_v1"``."""
        return self._handle.generator

    @property
    def seed(self) -> int:
        return self._handle.seed

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors as the recipe has them, in its order; those that a rule skips too."""
        return tuple(
            TensorSpec(name, shape, NUMPY_OF_NUMBER[dtype], module, buffer)
            for name, shape, dtype, module, buffer in self._handle.tensors()
        )

    def message(self) -> recipe_pb2.Recipe:
        """The recipe as a message of the API."""
        from .v1 import recipe_pb2

        return recipe_pb2.Recipe.FromString(self._handle.message())

    def resolved(self) -> _core.Plan:
        """What the other modules draw by. Not for users."""
        if self._plan is None:
            plan = _core.resolve(self._handle)
            self._specs = [Resolved(*spec) for spec in plan.tensors()]
            self._plan = plan
        return self._plan

    def specs(self) -> list[Resolved]:
        """The tensors that are drawn, in recipe order. Not for users."""
        self.resolved()
        return self._specs

    def plan(self) -> Plan:
        """What would be drawn, and why. Draws nothing.

        Raises:
            InvalidArgumentError: a parameter, shape or regex that is refused.
            FailedPreconditionError: a tensor that no rule covers, or a rule that matches nothing.
        """
        return Plan(self.resolved())

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the resolved plan, in hexadecimal: equal fingerprints, equal bits. Costs no drawing; raises as :meth:`plan`."""
        return self.resolved().fingerprint.hex()

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors that are drawn, tied ones once."""
        return self.resolved().num_bytes

    def digest(self, *, threads: int = 0, progress: bool = False) -> int:
        """The model digest, 0 ≤ digest < 2**64, of weights drawn here and not kept (``weightinit digest`` prints it as 16
        hexadecimal digits). Raises as :meth:`plan`."""
        from .weights import open as open_weights

        with open_weights(self, threads=threads) as weights:
            return weights.digest(progress=progress)

    def __reduce__(self) -> tuple[Any, ...]:
        """To be copied, and sent to other processes."""
        return _of_message, (self._handle.message(),)

    def __repr__(self) -> str:
        return f"<weightinit.Recipe of {len(self._handle.tensors())} tensors, seed {self.seed}>"


def _of_message(message: bytes) -> Recipe:
    return Recipe(_core.Recipe.from_message(message))


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a recipe holds texts, numbers, lists and dicts; {type(value).__name__} is none of them: {value!r:.80}")


class Plan(Mapping[str, "plan_pb2.TensorPlan"]):
    """A recipe resolved to numbers: canonical name → :class:`weightinit.v1.plan_pb2.TensorPlan`, in recipe order.

    ``report`` (:class:`weightinit.v1.plan_pb2.PlanReport`) has what holds for the whole: counts, skipped tensors, overlapping
    rules, warnings. ``print(plan)`` shows a line for each tensor.
    """

    def __init__(self, handle: _core.Plan) -> None:
        from .v1 import plan_pb2

        self.report: plan_pb2.PlanReport = plan_pb2.PlanReport()
        self._tensors: dict[str, plan_pb2.TensorPlan] = {}
        self._handle = handle
        for message in handle.messages():
            response = plan_pb2.PlanResponse.FromString(message)
            self.report.MergeFrom(response.report)
            self._tensors.update((tensor.name, tensor) for tensor in response.page.tensors)

    def __getitem__(self, name: str) -> plan_pb2.TensorPlan:
        """Raises NotFoundError, a KeyError, with the nearest names."""
        if not isinstance(name, str):
            raise TypeError(f"a tensor's name is a str, not {type(name).__name__}")
        found = self._tensors.get(name)
        if found is None:  # by another name that leads to it
            found = self._tensors[self._handle.tensors()[self._handle.find(name)][0]]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __str__(self) -> str:
        rows = [
            (name, str(list(tensor.shape)), NAME_OF_NUMBER[tensor.dtype], tensor.initializer, tensor.why)
            for name, tensor in self._tensors.items()
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        return "\n".join("  ".join([*map(str.ljust, row[:4], widths), row[4]]).rstrip() for row in rows)


def ready_recipes() -> list[str]:
    """The names of the recipes that come with the package."""
    folder = importlib.resources.files(__package__) / "recipes"
    return sorted(file.name[: -len(".yaml")] for file in folder.iterdir() if file.name.endswith(".yaml"))


def _ready(name: str) -> str:
    return (importlib.resources.files(__package__) / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")
