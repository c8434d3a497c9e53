"""PromQL that the panels share. `$__rate_interval` is Grafana's: long enough for four scrapes."""

import re

from deploy.grafana.panels import Query

CORPUS = 'corpus=~"$corpus"'
# A target without these labels, as of a single machine, is of every choice of "All".
RELEASE = 'namespace=~"$namespace",release=~"$release"'
_SERIES = re.compile(r"\b(?P<name>[a-z_:]*(?:headwater[_:]|process_|\bray_)[a-z0-9_:]*|ALERTS\b|up\b)(?P<selects>\{)?")


def of_release(expression: str) -> str:
    """Returns an expression with every series of it from the chosen namespaces and releases alone."""

    def chosen(series: re.Match[str]) -> str:
        return f"{series['name']}{{{RELEASE}" + ("," if series["selects"] else "}")

    return _SERIES.sub(chosen, expression)


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Returns how much a counter grows in a second, by the labels ``by``; ``where`` selects series."""
    grouped = f" by ({by}) " if by else ""
    selected = f"{{{where}}}" if where else ""
    return f"sum{grouped}(rate({metric}{selected}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """Returns the quantile ``share`` of a histogram, by the labels ``by``."""
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', labels, where)})"


def quantiles(metric: str, where: str = "") -> list[Query]:
    """Returns the median, p95 and p99 of a histogram."""
    return [Query(quantile(share, metric, where=where), f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99)]
