"""What every room of the Engine stands on: errors, ids, paths, settings, feed, log, limits. Knows no other room."""
