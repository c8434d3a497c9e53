"""An argument that is a path or a URL."""

from typing import Any

import click

from indexing.errors import StorageError
from indexing.remote_path import Place, place_of


class PlaceType(click.ParamType[Place]):
    """A path, or a URL of a file or folder on storage: ``corpus/``, ``s3://bucket/corpus/``."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Returns the path or URL; a password in a URL is an error of usage."""
        try:
            return place_of(value)
        except StorageError as error:
            self.fail(str(error), param, ctx)
