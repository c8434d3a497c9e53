"""Hostile input: what reads bytes from outside is given millions of wrong ones, in processes that may die of it."""
