"""Weights into PyTorch modules: in place, shard by shard, or as a distributed checkpoint that was never written.

::

    with torch.device("meta"):
        model = Transformer(config)
    fully_shard(model)
    weightinit.torch.init_(model, "recipe.yaml", source="host:50051", device="cuda")

Every rank draws what it holds, and nothing else; the bits do not depend on meshes, placements or the number of ranks.
Needs torch ≥ 1.13; DTensor and checkpoints torch ≥ 2.4.
"""

from ._modules import Report, attest, init_, manifest, replay
from ._tensors import to_numpy

__all__ = ["RecipeReader", "Report", "attest", "init_", "manifest", "replay", "to_numpy"]


def __getattr__(name: str) -> object:
    if name == "RecipeReader":  # torch.distributed is not everywhere, and slow to import
        from ._reader import RecipeReader

        return RecipeReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
