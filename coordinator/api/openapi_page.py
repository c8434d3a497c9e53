"""The copy of /openapi.json in docs/: ``python -m coordinator.api.openapi_page`` writes it, a test compares it."""

import json
from pathlib import Path
from typing import Any

from coordinator.api.http_api import create_api

PAGE = Path(__file__).parents[2] / "docs" / "openapi.json"


def page() -> str:
    """Returns the description as JSON text."""

    def never() -> Any:
        raise AssertionError("no request is made")

    return json.dumps(create_api(never, never).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
