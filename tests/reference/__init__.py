"""The contract reference (docs/contracts/): stories that run on the tests' chain, and the pages made of them."""
