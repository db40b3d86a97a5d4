"""The package as it is installed."""

import importlib.resources
import subprocess
import sys

import pytest
from conftest import ROOT

import weightinit
from weightinit import _core


def test_importing_needs_neither_torch_nor_jax_nor_grpc():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'jax', 'grpc', 'tqdm', 'safetensors'], None)); import weightinit; "
        "w = weightinit.open('article_net'); w.read_many(progress=True); print(w['fc1.weight'][0, :2].shape)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "(2,)\n"


def test_the_extension_links_no_grpc():
    linked = subprocess.run(["ldd", _core.__file__], capture_output=True, text=True, check=True).stdout
    assert "libgrpc" not in linked and "libstdc++" in linked


def test_typed_and_complete():
    files = importlib.resources.files("weightinit")
    assert (files / "py.typed").is_file() and (files / "_core.pyi").is_file()
    assert (files / "v1" / "service_pb2_grpc.py").is_file() and (files / "v1" / "service_pb2.pyi").is_file()
    assert f"project(weightinit VERSION {weightinit.__version__} " in (ROOT / "CMakeLists.txt").read_text()
    assert all(hasattr(weightinit, name) for name in weightinit.__all__)
    import weightinit.v1.service_pb2_grpc as stubs

    assert hasattr(stubs, "WeightInitServiceStub")


@pytest.mark.parametrize("module", ["__init__", "errors", "recipe", "weights", "digests"])
def test_what_is_public_is_documented(module):
    found = __import__(f"weightinit.{module}", fromlist=["x"]) if module != "__init__" else weightinit
    for name, value in vars(found).items():
        if not name.startswith("_") and getattr(value, "__module__", "") == found.__name__ and (isinstance(value, type) or callable(value)):
            assert value.__doc__, f"{found.__name__}.{name}"
