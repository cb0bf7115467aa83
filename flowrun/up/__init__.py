"""Run many flows on one machine: a process for each, under one supervisor."""
