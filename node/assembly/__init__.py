"""A node put together from its rooms, and the process around it."""
