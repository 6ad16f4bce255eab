"""What the Prefect UI shows of a run: log lines, artifacts, names, events, and a question to a person."""
