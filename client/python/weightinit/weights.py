"""Weights: a recipe's tensors as arrays that are drawn when they are read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Sequence

import numpy as np
import numpy.typing as npt

from . import _core
from ._dtypes import NUMPY_OF_NUMBER, number_of, to_numpy
from ._index import WHOLE, Box, box_of, place_of
from ._memory import address_of
from ._progress import Progress
from .errors import refuse
from .recipe import Recipe, Resolved

if TYPE_CHECKING:
    import grpc


class Job(NamedTuple):
    """Values to be put into an array, which has the shape of ``box`` and one of the API's dtypes."""

    name: str
    """As asked for: the library finds the tensor."""
    tensor: int
    """Its position in the plan."""
    box: Box
    dtype: int
    array: np.ndarray


class Source(Protocol):
    """Where values come from."""

    def fill(self, jobs: Sequence[Job], progress: Progress) -> None: ...

    def digest(self, name: str, tensor: int, box: Box, dtype: int) -> int: ...

    def close(self) -> None: ...


class Read(NamedTuple):
    """A part to be read by :meth:`Weights.read_many`."""

    name: str
    index: Any = WHOLE
    """NumPy's basic indexing: integers, slices, ``...``."""
    out: np.ndarray | None = None
    """Where to put it; it must have the part's shape. Its dtype goes before ``dtype``."""
    dtype: Any = None
    """Default: the tensor's."""


class Tensor:
    """A tensor of a recipe. Nothing is drawn until it is indexed, and then only what the index asks for.

    ``tensor[0:512, ::2]`` is the same, bit for bit, as that part of ``tensor[...]``, which draws all of it.
    """

    __slots__ = ("name", "shape", "dtype", "_asked", "_index", "_number", "_source")

    def __init__(self, source: Source, spec: Resolved, asked: str, index: int) -> None:
        self.name: str
        """Canonical name."""
        self.shape: tuple[int, ...]
        self.dtype: np.dtype
        """Element type; bfloat16 and float8 are ml_dtypes' types."""
        self.name, self.shape, self._number, _ = spec
        self.dtype = NUMPY_OF_NUMBER[self._number]
        self._asked, self._index, self._source = asked, index, source

    @property
    def name_asked(self) -> str:
        """The name by which it was asked for, which leads to it again."""
        return self._asked

    @property
    def position(self) -> int:
        """Its position in the recipe's order of what is drawn."""
        return self._index

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return Box(None, self.shape).num_elements()

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without dimensions")
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """A new array of the part: integers, slices (any step) and ``...``, as NumPy has them.

        Raises:
            IndexError: outside the shape, or an index that is no box (lists, masks, None).
        """
        return self.read(index)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a lazy tensor has no values to share; they are drawn into a new array")
        return self.read(dtype=dtype)

    def read(self, index: Any = WHOLE, dtype: npt.DTypeLike | None = None) -> np.ndarray:
        """As ``tensor[index]``, in another element type if one is given: the same draw, rounded once to that type."""
        box = box_of(index, self.shape)
        array = np.empty(box.shape, self.dtype if dtype is None else to_numpy(dtype))
        self._fill(box, array)
        return array if box.flip is None else _flipped(array, box)

    def into(self, array: np.ndarray, index: Any = WHOLE) -> np.ndarray:
        """Draws into an array, without a copy where its memory lies as NumPy would lay it. Returns the array.

        Args:
            array: of the part's shape, writable; its dtype is the one that is drawn. It may be a view with any strides.
            index: which part; default all.

        Raises:
            InvalidArgumentError: another shape, a read-only array, a dtype that is not drawn or cannot hold the values.
        """
        box = box_of(index, self.shape)
        _check_target(array, box)
        self._fill(box, array if box.flip is None else _flipped(array, box))
        return array

    def digest(self, index: Any = WHOLE, dtype: npt.DTypeLike | None = None) -> int:
        """The digest of a part, 0 ≤ digest < 2**64. Those of disjoint parts add up, mod 2**64, to that of their union."""
        number = self._number if dtype is None else number_of(to_numpy(dtype))
        return self._source.digest(self._asked, self._index, box_of(index, self.shape), number)

    def _fill(self, box: Box, array: np.ndarray) -> None:
        self._source.fill((Job(self._asked, self._index, box, number_of(array.dtype), array),), Progress.NONE)

    def __repr__(self) -> str:
        return f"<weightinit.Tensor {self.name!r} {list(self.shape)} {self.dtype}>"


class Weights(Mapping[str, Tensor]):
    """The tensors of a recipe: name → :class:`Tensor`, in recipe order. Made by :func:`weightinit.open`.

    Names asked for may be any that the recipe's renames and wrappers' segments lead to; iteration gives canonical names.
    May be used from several threads at once, and after a fork.
    """

    def __init__(self, recipe: Recipe, source: Source, where: str) -> None:
        self.recipe = recipe
        self._source, self._where = source, where
        self._plan = recipe.resolved()
        self._specs = recipe.specs()

    def __getitem__(self, name: str) -> Tensor:
        """Raises NotFoundError, a KeyError, with the nearest names."""
        if not isinstance(name, str):
            raise TypeError(f"a tensor's name is a str, not {type(name).__name__}")
        index = self._plan.find(name)
        return Tensor(self._source, self._specs[index], name, index)

    def __iter__(self) -> Iterator[str]:
        return (spec.name for spec in self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def fingerprint(self) -> str:
        """The recipe's."""
        return self.recipe.fingerprint

    @property
    def nbytes(self) -> int:
        return self.recipe.nbytes

    def read_many(
        self, reads: Iterable[str | tuple[Any, ...] | Read] | None = None, *, progress: bool = False
    ) -> list[np.ndarray]:
        """Reads several parts in parallel; all are checked before the first is drawn.

        Args:
            reads: names, or :class:`Read` or tuples in its order: (name, index, out, dtype). Default: all tensors, whole.
            progress: show a bar on standard error, if tqdm is there.

        Returns:
            The arrays, in the order of ``reads``: new ones, or the ``out`` that was given.
        """
        if isinstance(reads, str):
            raise TypeError("read_many takes a list of names; one tensor is weights[name][...]")
        jobs, results = [], []
        for read in self if reads is None else reads:
            job, result = self._job(_read_of(read))
            jobs.append(job)
            results.append(result)
        with Progress.of(sum(job.array.nbytes for job in jobs), progress) as bar:
            self._source.fill(jobs, bar)
        return results

    def _job(self, read: Read) -> tuple[Job, np.ndarray]:
        tensor = self[read.name]
        box = box_of(read.index, tensor.shape)
        if read.out is None:
            array = np.empty(box.shape, tensor.dtype if read.dtype is None else to_numpy(read.dtype))
        else:
            array = read.out
            _check_target(array, box, f"for {read.name}: ")
        flipped = array if box.flip is None else _flipped(array, box)
        # A new array is drawn upwards, in one piece, and turned; memory that was given is drawn into as it lies.
        target, result = (array, flipped) if read.out is None else (flipped, array)
        return Job(read.name, tensor._index, box, number_of(array.dtype), target), result

    def digest(self, *, progress: bool = False) -> int:
        """The model digest: the tensors' digests with a weight for each (:func:`weightinit.model_digest`), tied ones once."""
        total = 0
        with Progress.of(self.nbytes, progress) as bar:
            for index, spec in enumerate(self._specs):
                if spec.origin == index:
                    tensor = Tensor(self._source, spec, spec.name, index)
                    total += _core.digest_weight(spec.name, spec.dtype, spec.shape) * tensor.digest()
                    bar.add(tensor.nbytes)
        return total % 2**64

    def close(self) -> None:
        """Gives back threads, connections and files. Arrays that were read stay."""
        self._source.close()

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<weightinit.Weights of {len(self)} tensors, {self.nbytes / 1e6:.1f} MB, from {self._where}>"


def _read_of(read: Any) -> Read:
    if isinstance(read, str):
        return Read(read)
    if not isinstance(read, (tuple, list)) or not 1 <= len(read) <= len(Read._fields):
        raise TypeError(f"a read is a name or a tuple ({', '.join(Read._fields)}), of which the name is needed; not {read!r:.80}")
    return Read(*read)


def _flipped(array: np.ndarray, box: Box) -> np.ndarray:
    flipped: np.ndarray = array[box.flip]
    return flipped


def _check_target(array: Any, box: Box, whose: str = "") -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"values go into a numpy.ndarray, not {type(array).__name__}")
    if array.shape != box.shape:
        raise refuse("array", f"{whose}it has the shape {list(array.shape)}; the part has {list(box.shape)}")
    if not array.flags.writeable:
        raise refuse("array", f"{whose}it is read-only")
    if array.size > 0 and 0 in array.strides and any(stride == 0 < size - 1 for stride, size in zip(array.strides, array.shape)):
        raise refuse("array", f"{whose}several of its elements are one in memory")


def digest_of_array(array: np.ndarray, dtype: int, shape: tuple[int, ...], box: Box) -> int:
    """The digest of values that someone holds: those of ``box`` of a tensor of this shape."""
    base, strides = place_of(box, shape)
    contiguous = np.ascontiguousarray(array)
    digest = _core.SliceDigest(dtype, box.sizes(), base, strides)
    return digest.of(0, address_of(contiguous), contiguous.nbytes)


def open(  # noqa: A001: read as weightinit.open
    recipe: Recipe | str | os.PathLike[str],
    source: str | os.PathLike[str] = "local",
    *,
    threads: int = 0,
    cache_bytes: int = 1 << 30,
    check: bool = True,
    streams: int = 0,
    timeout: float | None = None,
    patience: float = 20.0,
    credentials: grpc.ChannelCredentials | None = None,
    metadata: Sequence[tuple[str, str]] = (),
) -> Weights:
    """The weights of a recipe; the same bits wherever they come from.

    Args:
        recipe: a :class:`Recipe`, or what :meth:`Recipe.load` takes. It is resolved here, so that whatever is wrong with it
            is said by this call, in the same words for every source.
        source: ``"local"``: drawn by this process; the address of a server, as gRPC writes it (``"host:port"``,
            ``"dns:///host:port"``, ``"ipv4:10.0.0.1:50051,10.0.0.2:50051"``, ``"unix:/path"``): drawn there, by all servers
            in turn where there are several; or a path: read from what ``weightinit model`` wrote, a ``.safetensors`` file, a folder of shards, or its index (``….safetensors.index.json``).
        threads: local: threads that draw; 0: one for each processor.
        cache_bytes: local: what is kept of matrices (orthogonal, sparse) for further slices.
        check: server: compute the digest of what arrives and compare it with the server's. File: refuse one that does not say
            that it holds this recipe's weights (the fingerprint in its metadata).
        streams: server: how many connections a large read uses at once; 0: as many as help.
        timeout: server: seconds for one read, retries included. Default: none.
        patience: server: seconds without a byte after which a read gives up on a server that is away or busy; until then it
            tries again, and goes on where it stopped.
        credentials: server: ``grpc.ChannelCredentials``, for TLS. Default: none, in plain text.
        metadata: server: sent with every call, e.g. ``[("authorization", "Bearer …")]``.

    Raises:
        Error: what :meth:`Recipe.load` and :meth:`Recipe.plan` raise. A server is first called when something is read.
        InvalidArgumentError: a source that is none of these, or a number below its least.
        FailedPreconditionError: a file that holds another recipe's weights.
    """
    if isinstance(recipe, Mapping):
        raise TypeError("a recipe is a weightinit.Recipe, or the path or name of one; Recipe.from_dict makes one of a dict")
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe)
    for name, value in (("threads", threads), ("cache_bytes", cache_bytes), ("streams", streams), ("patience", patience), ("timeout", timeout)):
        _check_number(name, value)
    plan = recipe.resolved()
    source = os.fspath(source)
    if source == "local":
        from ._local import LocalSource

        return Weights(recipe, LocalSource(plan, threads, cache_bytes), "this process")
    from ._file import FileSource, is_checkpoint

    if is_checkpoint(source):
        return Weights(recipe, FileSource(source, recipe, check), source)
    if "://" in source and not source.startswith(("dns://", "unix://")):
        raise refuse("source", f"'{source}': a server's address is host:port, dns:///host:port or unix:/path")
    if ":" not in source:
        raise refuse("source", f"'{source}' is neither 'local' nor a server's address (host:port, unix:/path) nor *.safetensors nor a folder")
    from ._remote import RemoteSource
    from ._server import RemoteOptions

    options = RemoteOptions(check, streams, timeout, patience, credentials, tuple(metadata))
    return Weights(recipe, RemoteSource(source, recipe, options), source)


_MOST = {"threads": 4096, "cache_bytes": 2**63 - 1, "streams": 1024}


def _check_number(name: str, value: Any) -> None:
    if value is None and name == "timeout":
        return
    kinds = (int, float) if name in ("timeout", "patience") else (int,)
    if not isinstance(value, kinds):
        raise TypeError(f"{name} is {'a number' if float in kinds else 'an int'}, not {type(value).__name__}")
    if not value >= 0:
        raise refuse(name, f"{value}; allowed: 0 or more")
    if name in _MOST and value > _MOST[name]:
        raise refuse(name, f"{value}; allowed: at most {_MOST[name]}")
