"""Taking part in consensus: driver, proposer, block checks, reports of faults."""
