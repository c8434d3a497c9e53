"""What Headwater is made of, and what is known against it: the bill of materials, and the tools that audit it."""
