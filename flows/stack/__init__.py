"""The stack on one machine: Prefect's server, a worker with its deployments, and the service."""
