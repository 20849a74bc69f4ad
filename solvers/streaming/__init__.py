"""Fresh certified samples without a store: solved block by block by processes that stay ahead of who takes them."""
