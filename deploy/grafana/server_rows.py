"""The rest of the dashboard: shard servers, what may be shown, files, processes and Ray."""

from deploy.grafana.panels import Lines, Query, Row, Table
from deploy.grafana.queries import CORPUS, quantile, quantiles, rate

SERVERS = Row(
    "Shard servers",
    (
        Lines("Calls, by call", [Query(rate("headwater_shard_rpc_seconds_count", "rpc"))], unit="reqps", stacked=True),
        Lines(
            "Time of a search", quantiles("headwater_shard_rpc_seconds", 'rpc="LongestMatches",status="OK"'), unit="s"
        ),
        Lines(
            "Time of calls by server, p95",
            [Query("instance:headwater_shard_rpc_seconds:p95_5m", "{{instance}}")],
            unit="s",
        ),
        Lines("Time in the queue", quantiles("headwater_shard_queue_seconds"), unit="s"),
        Lines(
            "Running and waiting calls",
            [
                Query("sum(headwater_shard_running_calls)", "running"),
                Query("sum(headwater_shard_waiting_calls)", "waiting"),
            ],
        ),
        Lines("Refused, by reason", [Query(rate("headwater_shard_refused_total", "reason"))], unit="reqps"),
        Lines(
            "Random reads, by file",
            [Query(rate("headwater_shard_reads_total", "file"))],
            unit="iops",
            description="Asked of the files: what the page cache has does not reach the disk.",
            stacked=True,
        ),
        Lines("Bytes of the pages read", [Query(rate("headwater_shard_read_bytes_total", "instance"))], unit="Bps"),
        Lines(
            "Servers that are ready",
            [Query("sum(headwater_shard_ready)", "ready"), Query('count(up{job="headwater-shard"})', "all")],
        ),
    ),
)

TRUST = Row(
    "Indexes, takedowns, keys, redaction",
    (
        Table(
            "Indexes that answer",
            [Query(f"count by (corpus, index_id) (headwater_coordinator_index_info{{{CORPUS}}})")],
            description="Two of one corpus: a swap is under way.",
            width=12,
            height=5,
            value="coordinators",
        ),
        Table(
            "Indexes that shard servers hold",
            [Query("count by (index_id, stage, format_version, token_width) (headwater_shard_index_info)")],
            width=12,
            height=5,
            value="servers",
        ),
        Lines(
            "Changes of files that are not in force",
            [
                Query('max(headwater_coordinator_reload_pending{outcome="waiting"})', "a new index waits"),
                Query('max(headwater_coordinator_reload_pending{outcome="refused"})', "a change is refused"),
                Query("1 - min(headwater_coordinator_takedown_file_in_force)", "fault in the takedown file"),
                Query("1 - min(headwater_coordinator_key_file_in_force)", "fault in the key file"),
            ],
            description="1 while it is so.",
        ),
        Lines(
            "List of takedowns that is obeyed",
            [
                Query("max(headwater_coordinator_takedown_epoch)", "coordinators, newest"),
                Query("min(headwater_coordinator_takedown_epoch)", "coordinators, oldest"),
                Query("min(headwater_shard_takedown_epoch)", "shard servers, oldest"),
            ],
            description="One number, but for a second after a change. A server that is behind is not asked.",
        ),
        Lines(
            "Documents taken down, by corpus",
            [Query(f"sum by (corpus) (max by (corpus, shard) (headwater_coordinator_withheld_documents{{{CORPUS}}}))")],
            stacked=True,
        ),
        Lines(
            "Documents that servers leave out, by shard",
            [Query("max by (shard) (headwater_shard_withheld_documents)")],
            description="Taken down, or removed from the index.",
        ),
        Lines("Turned away, by reason", [Query(rate("headwater_coordinator_denied_total", "reason"))], unit="reqps"),
        Lines(
            "Placeholders for personal data",
            [Query(rate("headwater_coordinator_redacted_total"), "placeholders")],
            unit="ops",
        ),
        Lines(
            "Documents left out of traces",
            [
                Query(rate("headwater_coordinator_redaction_withheld_documents_total"), "personal data"),
                Query(rate("headwater_coordinator_budget_withheld_documents_total"), "budget of the key"),
            ],
            unit="ops",
        ),
        Lines(
            "Changes of indexes, by outcome",
            [Query("sum by (outcome) (increase(headwater_coordinator_reloads_total[$__rate_interval]))")],
        ),
    ),
)

FILES = Row(
    "Files of indexes",
    (
        Lines(
            "Read to compare checksums",
            [Query(rate("headwater_shard_scrubbed_bytes_total", "instance"))],
            unit="Bps",
        ),
        Lines(
            "Readings of all files, a day",
            [
                Query("sum(increase(headwater_shard_scrubs_total[1d]))", "no damage"),
                Query("sum(increase(headwater_shard_scrub_failures_total[1d]))", "not all could be read"),
            ],
        ),
        Lines("Positions served, by shard", [Query("max by (shard) (headwater_shard_tokens)")]),
    ),
)

PROCESSES = Row(
    "Processes and Ray",
    (
        Lines(
            "Processors in use",
            [Query("job_instance:process_cpu_seconds:rate5m", "{{instance}}")],
            description="A coordinator is one Python process: near 1 it is full.",
        ),
        Lines(
            "Memory",
            [Query('process_resident_memory_bytes{job=~"headwater-.*"}', "{{instance}}")],
            unit="bytes",
            description="Of a shard server with the pages of its index that are in memory.",
        ),
        Lines(
            "Open files",
            [Query('process_open_fds{job=~"headwater-.*"}', "{{instance}}")],
        ),
        Lines(
            "Lateness of the event loop, p99",
            [Query(quantile(0.99, "headwater_coordinator_event_loop_lag_seconds", "instance"))],
            unit="s",
        ),
        Lines(
            "gRPC servers started again after malformed calls",
            [Query("sum by (instance) (increase(headwater_shard_grpc_restarts_total[$__rate_interval]))")],
        ),
        Lines(
            "Replicas of the coordinator, by Ray Serve",
            [
                Query('sum(ray_serve_deployment_replica_healthy{application="headwater"})', "healthy"),
                Query('max(ray_serve_autoscaling_target_replicas{application="headwater"})', "wanted"),
            ],
        ),
        Lines(
            "Status of Ray Serve",
            [
                Query('min(ray_serve_application_status{application="headwater"})', "application: 6 is running"),
                Query('min(ray_serve_deployment_status{application="headwater"})', "deployment: 6 is healthy"),
                Query("max(ray_serve_proxy_status)", "proxies: 2 is healthy"),
            ],
        ),
        Lines(
            "One turn of Ray Serve's controller",
            [Query("max(ray_serve_controller_control_loop_duration_s)", "controller")],
            unit="s",
            description="Above a second it is late to notice replicas that are gone.",
        ),
        Lines(
            "Ray nodes: memory and processor",
            [
                Query("ray_node_mem_used / ray_node_mem_total", "{{instance}} memory"),
                Query("ray_node_cpu_utilization / 100", "{{instance}} processor"),
            ],
            unit="percentunit",
            highest=1,
        ),
        Lines(
            "Memory of Ray's processes, by component",
            [Query("sum by (Component) (ray_component_rss_bytes)")],
            unit="bytes",
            width=24,
            stacked=True,
        ),
    ),
)
