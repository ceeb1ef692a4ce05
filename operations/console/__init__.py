"""The console: pages for whoever is on call, finance, and developers; started by `outbox up`."""
