"""Manifests for Kubernetes; the connector's, for Strimzi, is made from its definition."""
