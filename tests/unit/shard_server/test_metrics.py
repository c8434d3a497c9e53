from shard_server.errors import REFUSALS
from shard_server.metrics import Metrics


def test_refusals_begin_at_zero_so_that_the_first_one_is_an_increase() -> None:
    metrics = Metrics()

    def refused(reason: str) -> float | None:
        return metrics.registry.get_sample_value("headwater_shard_refused_total", {"reason": reason})

    assert {refused(reason) for reason in REFUSALS.values()} == {0}
    metrics.refuse("queue_full")
    assert (refused("queue_full"), refused("deadline")) == (1, 0)
