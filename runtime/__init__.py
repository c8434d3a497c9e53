"""What every Headwater process shares: settings, logs, request ids, telemetry, and the listener for operators."""
