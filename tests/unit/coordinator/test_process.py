"""What a coordinator's process refuses before it connects to anything."""

import asyncio
from pathlib import Path

import pytest

from coordinator.config import CoordinatorConfig
from coordinator.process import CoordinatorProcess
from runtime.errors import PublicListenError


def test_metrics_for_others_are_refused_unless_the_operator_says_so() -> None:
    config = CoordinatorConfig(cluster_file=Path("/none"), metrics_listen="0.0.0.0:0")
    with pytest.raises(PublicListenError, match="insecure_public_metrics"):
        asyncio.run(CoordinatorProcess.start(config))
