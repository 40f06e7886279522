"""What people read instead of querying: made from a release, and from nothing else."""
