"""One answer in, one trace out: pure steps, one pipeline, and the Serve application round it."""
