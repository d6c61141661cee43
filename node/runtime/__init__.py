"""What a process needs before there is a chain: configuration, clock, disk, files, logging."""
