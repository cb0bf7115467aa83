"""Count captured frames, their fates and what they cost; the summary of a run."""
