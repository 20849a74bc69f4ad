"""The store on disk: layout, durable files, shards, manifests."""
