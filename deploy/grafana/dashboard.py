"""Writes headwater.json, the dashboard; ``--check`` says instead whether it is current.

Run ``python -m deploy.grafana.dashboard`` from the top of a checkout. The JSON is never edited; coordinator_rows.py and
server_rows.py say what panels show.
"""

import argparse
import json
from pathlib import Path

from deploy.grafana.coordinator_rows import ADMISSION, ANSWERS, NOW, REPLICAS
from deploy.grafana.panels import Json, Row, laid_out
from deploy.grafana.queries import RELEASE, of_release
from deploy.grafana.server_rows import FILES, PROCESSES, SERVERS, TRUST

FILE = Path(__file__).with_name("headwater.json")
ROWS: tuple[Row, ...] = (NOW, ANSWERS, ADMISSION, REPLICAS, SERVERS, TRUST, FILES, PROCESSES)
# Grafana 10, the oldest that is still kept up; newer ones bring it up to date as they read it.
_SCHEMA_VERSION = 38


def dashboard() -> Json:
    """Returns the dashboard as Grafana imports it."""
    return {
        "uid": "headwater",
        "title": "Headwater",
        "description": "Coordinators, shard servers and Ray. For which question what: docs/observability.md.",
        "tags": ["headwater"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": [_alerts()]},
        "templating": {
            "list": [
                _data_source(),
                _labels("namespace", "Namespace", "headwater_coordinator_ready"),
                _labels("release", "Release", 'headwater_coordinator_ready{namespace=~"$namespace"}'),
                _labels("corpus", "Corpus", f"headwater_coordinator_searchable_share{{{RELEASE}}}"),
            ]
        },
        "panels": laid_out([row.with_queries(of_release) for row in ROWS]),
    }


def _data_source() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}}


def _labels(label: str, title: str, series: str) -> Json:
    """Returns a variable whose values are those of a label; all of them at first."""
    return {
        "name": label,
        "label": title,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": f"label_values({series}, {label})", "refId": label},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def _alerts() -> Json:
    return {
        "name": "Alerts",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "enable": True,
        "iconColor": "red",
        "expr": of_release('ALERTS{alertname=~"Headwater.*",alertstate="firing",severity="critical"}'),
        "titleFormat": "{{alertname}}",
        "step": "60s",
    }


def text() -> str:
    """Returns the content of the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


def main() -> None:
    """Writes or checks the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the file is current, and write nothing")
    if not parser.parse_args().check:
        FILE.write_text(text(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text():
        raise SystemExit(f"{FILE}: not what its description says; run python -m deploy.grafana.dashboard")


if __name__ == "__main__":
    main()
