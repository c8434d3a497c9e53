"""The rate of a key that has one of its own, which is counted by tokens as that of all is."""

from coordinator.access.keyring import KeyHolder
from coordinator.admission.rate_limit import Rate
from coordinator.config import CoordinatorConfig


def own_rate_of(holder: KeyHolder, config: CoordinatorConfig) -> Rate | None:
    """Returns the share of one replica in a holder's rate; None if it is that of the settings."""
    own = holder.limits
    if own.tokens_per_s is None and own.burst_tokens is None:
        return None
    tokens_per_s = config.rate_limit_tokens_per_s if own.tokens_per_s is None else own.tokens_per_s
    burst_tokens = config.rate_limit_burst_tokens if own.burst_tokens is None else own.burst_tokens
    return Rate(tokens_per_s / config.num_replicas, burst_tokens / config.num_replicas)
