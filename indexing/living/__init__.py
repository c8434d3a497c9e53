"""Indexes that change: documents added and removed, shards dealt anew, infini-gram's folders taken in and given out."""
