"""Small things that both programs stand on: clock, back-off, tasks, files, log files. Knows nothing of Borealis."""
