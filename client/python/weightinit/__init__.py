"""Initial weights of neural networks as a pure function of a recipe: any slice of any tensor, bit for bit the same for everyone.

::

    import weightinit

    recipe = weightinit.Recipe.load("resnet50", seed=42)
    with weightinit.open(recipe) as weights:                # or source="host:50051", or source="resnet50.safetensors"
        rows = weights["layer1.0.conv1.weight"][0:32]       # draws these 32 rows, nothing else

:mod:`weightinit.torch` and :mod:`weightinit.jax` put the weights into models; importing this package needs neither.
"""

from . import errors
from ._core import version as __version__
from .digests import Part, digest, model_digest
from .errors import Error
from .recipe import Plan, Recipe, TensorSpec, ready_recipes
from .weights import Read, Tensor, Weights, open

__all__ = [
    "Error",
    "Part",
    "Plan",
    "Read",
    "Recipe",
    "Tensor",
    "TensorSpec",
    "Weights",
    "digest",
    "errors",
    "model_digest",
    "open",
    "ready_recipes",
]
