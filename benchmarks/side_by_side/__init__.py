"""This pipeline and the publishers it replaces: one run, one machine, one workload."""
