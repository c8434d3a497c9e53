"""What a coordinator takes on: the queue, the rate limit, and answers that need no work because they are known."""
