"""Every error that can reach a caller has its own line in the table that says how it is answered."""

import grpc
import pytest

import coordinator.errors
import shard_server.errors
import suffix_engine
from coordinator.api.status import FAULTS, fault_of
from shard_server.errors import STATUS, status_of


def family(base: type[Exception]) -> set[type[Exception]]:
    """Returns a class and all that inherit from it."""
    found = {base}
    for child in base.__subclasses__():
        found |= family(child)
    return found


# The steps may refine an error inside their own file; what is answered is that of its base, which must be declared.
DECLARED = {error for error in vars(coordinator.errors).values() if isinstance(error, type)}


@pytest.mark.parametrize(
    "error", sorted(family(suffix_engine.EngineError) | family(shard_server.errors.ShardServerError), key=str)
)
def test_every_error_of_a_shard_server_has_a_status(error: type[Exception]) -> None:
    assert error in STATUS, f"add {error.__name__} to shard_server/errors.py STATUS"
    assert status_of(error("x")) is STATUS[error]  # type: ignore[arg-type]


@pytest.mark.parametrize("error", sorted(DECLARED, key=str))
def test_every_error_of_the_coordinator_has_a_fault(error: type[coordinator.errors.CoordinatorError]) -> None:
    assert error in FAULTS, f"add {error.__name__} to coordinator/api/status.py FAULTS"


def test_the_tables_name_no_class_that_is_gone() -> None:
    assert set(STATUS) == family(suffix_engine.EngineError) | family(shard_server.errors.ShardServerError)
    assert set(FAULTS) == DECLARED


def test_no_status_is_ok_and_each_problem_tells_one_error() -> None:
    assert grpc.StatusCode.OK not in {*STATUS.values(), *(fault.grpc_status for fault in FAULTS.values())}
    problems = [fault.problem for fault in FAULTS.values()]
    assert len(set(problems)) == len(problems)


def test_an_error_that_a_step_refines_is_answered_as_its_base() -> None:
    class Refined(coordinator.errors.InvalidRequestError):
        pass

    assert fault_of(Refined("x")) is FAULTS[coordinator.errors.InvalidRequestError]
