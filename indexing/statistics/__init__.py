"""What an index holds, counted: documents, tokens, repeats, duplicates, sources."""

from indexing.statistics.gathering import gather_statistics
from indexing.statistics.values import IndexStatistics

__all__ = ["IndexStatistics", "gather_statistics"]
