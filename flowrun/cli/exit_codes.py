"""The exit codes of the command line that are not those of an error (`FlowrunError.exit_code`)."""

DONE, FAILED, INTERNAL, INVALID, INTERRUPTED = 0, 1, 70, 78, 130
