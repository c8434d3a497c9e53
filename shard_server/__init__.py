"""One process, some shards of one index: decode a request, call the engine, encode the answer."""
