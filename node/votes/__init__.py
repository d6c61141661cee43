"""What this validator has signed: the log of its votes, and the guard that keeps it from signing twice."""
