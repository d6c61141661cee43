"""Assembly: the driver, mempool, store, gateway, command line and demo."""
