"""REST doors: parse, authorise, call ONE service, shape the answer. The only room that knows the web framework."""
