"""The demo: four brands replay a year of real purchases on a network of their own, and prove the result."""
