"""Load tests: an open-loop load generator that speaks to a served Headwater as a stranger's client does."""
