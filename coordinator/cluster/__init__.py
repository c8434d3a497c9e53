"""The shards of an index behind gRPC: where they are, and how they are asked."""
