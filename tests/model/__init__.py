"""An exhaustive check of the abstract protocol at small bounds: `make model`."""
