"""The publishers that this pipeline replaces, small and as the report describes them."""
