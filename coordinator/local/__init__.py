"""What a coordinator with a Ray of its own needs of the machine: free ports, and an end to its child processes."""
