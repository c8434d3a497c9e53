"""The contract between building an index and serving it: file names, manifests, tokenizer identity, word starts."""
