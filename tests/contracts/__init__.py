"""The checks that every view, ranker, policy and estimator passes, as functions: a new one is held to the same."""
