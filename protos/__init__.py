"""What travels between processes. The code under each ``v1`` is generated from its ``.proto`` by `protos.generate`."""
