"""The faces of a coordinator: gRPC and HTTP/JSON, with their codecs and errors."""
