"""What every room of the agent stands on: errors, paths, log. Knows no other room."""
