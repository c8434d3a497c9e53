from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from coordinator.config import ENVIRONMENT_PREFIX, CoordinatorConfig, LocalConfig
from coordinator.options import RequestLimits
from runtime.errors import SettingsError
from runtime.settings import load_settings

FILE = Path("/srv/cluster.yaml")


def test_every_limit_of_a_request_is_a_setting_with_the_same_default() -> None:
    assert CoordinatorConfig(cluster_file=FILE).limits == RequestLimits()
    for field in fields(RequestLimits):
        changed = CoordinatorConfig.model_validate({"cluster_file": FILE, field.name: 7})
        assert getattr(changed.limits, field.name) == 7


def test_every_setting_says_what_it_is() -> None:
    for name, field in LocalConfig.model_fields.items():
        assert field.description, name


def test_unknown_settings_are_errors() -> None:
    with pytest.raises(ValidationError, match="colour"):
        CoordinatorConfig.model_validate({"cluster_file": FILE, "colour": "blue"})


def test_a_default_time_over_the_most_is_an_error() -> None:
    with pytest.raises(ValidationError, match="default_timeout_ms is 2000, expected at most max_timeout_ms"):
        CoordinatorConfig(cluster_file=FILE, default_timeout_ms=2000, max_timeout_ms=1000)


def test_a_time_to_retire_under_the_most_time_of_a_request_is_an_error() -> None:
    with pytest.raises(ValidationError, match="retire_timeout_ms is 120000, expected at least max_timeout_ms"):
        CoordinatorConfig(cluster_file=FILE, max_timeout_ms=180_000)
    CoordinatorConfig(cluster_file=FILE, max_timeout_ms=180_000, retire_timeout_ms=180_000)


def test_the_fence_of_serve_is_outside_the_queue_of_the_replica() -> None:
    config = CoordinatorConfig(cluster_file=FILE, max_running_requests=9, max_queued_requests=1000)
    assert config.max_held_requests > 1009


def test_flags_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "coordinator.yaml"
    file.write_text("cluster_file: /of/file.yaml\nmax_queued_requests: 1\nmax_running_requests: 1\ngrpc_port: 1\n")
    environment = {
        f"{ENVIRONMENT_PREFIX}MAX_QUEUED_REQUESTS": "2",
        f"{ENVIRONMENT_PREFIX}MAX_RUNNING_REQUESTS": "2",
        f"{ENVIRONMENT_PREFIX}RESULT_CACHE_BYTES": "0",
    }
    config = load_settings(
        LocalConfig,
        ENVIRONMENT_PREFIX,
        flags={"max_running_requests": "3"},
        environment=environment,
        config_file=file,
    )
    assert (config.cluster_file, config.grpc_port) == (Path("/of/file.yaml"), 1)
    assert (config.max_queued_requests, config.max_running_requests, config.result_cache_bytes) == (2, 3, 0)


def test_a_missing_cluster_file_is_asked_for_by_its_flag() -> None:
    with pytest.raises(SettingsError, match="give --cluster-file or HEADWATER_COORDINATOR_CLUSTER_FILE"):
        load_settings(LocalConfig, ENVIRONMENT_PREFIX)


def test_the_application_gets_every_setting_that_it_knows() -> None:
    local = LocalConfig(cluster_file=FILE, grpc_port=7, num_replicas=3, log_level="error", hedge_percent=1.0)
    config = local.of_coordinator()
    assert type(config) is CoordinatorConfig
    assert (config.num_replicas, config.log_level, config.hedge_percent) == (3, "error", 1.0)
