"""What documents hold of personal data and secrets, found and replaced before it is shown."""
