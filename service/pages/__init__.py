"""The pages: what a person sees of the service. HTML made here, readable without JavaScript."""
