"""Believing nothing but certificates: from the genesis document to a header, a value, a receipt."""
