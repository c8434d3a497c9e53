"""Writes the Python code of every ``.proto``, with type stubs; ``--check`` says instead whether it is current.

Run ``python -m protos.generate`` from anywhere in a checkout. Generated files are never edited.
"""

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

PROTOS = Path(__file__).resolve().parent
# Plug-ins of the environment that write type stubs.
_STUBS = ("mypy", "mypy_grpc")
_GENERATED_SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def generate(destination: Path) -> None:
    """Writes the code of every ``.proto`` below ``destination``, in the folders of its packages.

    Raises:
        SystemExit: a ``.proto`` does not compile; the compiler has said where.
    """
    from grpc_tools import protoc  # a development dependency: importing this module must not need it

    sources = sorted(str(path.relative_to(PROTOS.parent)) for path in PROTOS.rglob("*.proto"))
    arguments = [
        "protoc",
        f"--proto_path={PROTOS.parent}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        *(f"--{plugin}_out={destination}" for plugin in ("python", "grpc_python")),
        *(
            f"--plugin=protoc-gen-{plugin}={Path(sys.executable).with_name(f'protoc-gen-{plugin}')}"
            for plugin in _STUBS
        ),
        *(f"--{plugin}_out=quiet:{destination}" for plugin in _STUBS),
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed on " + ", ".join(sources))
    for source in sources:
        package = destination / Path(source).parent
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()


def generated_files(root: Path) -> dict[str, bytes]:
    """Returns the content of every generated file below ``root``, by its path relative to it."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / PROTOS.name).rglob("*"))
        if path.name.endswith(_GENERATED_SUFFIXES)
    }


def stale_files() -> list[str]:
    """Returns the generated files that differ from their source, are missing, or have lost their source."""
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        wanted = generated_files(Path(directory))
    found = generated_files(PROTOS.parent)
    return sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))


def main() -> None:
    """Generates, or checks, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is stale")
    if not parser.parse_args().check:
        generate(PROTOS.parent)
        return
    if stale := stale_files():
        sys.exit("stale generated code, run 'make protos':\n  " + "\n  ".join(stale))


if __name__ == "__main__":
    main()
