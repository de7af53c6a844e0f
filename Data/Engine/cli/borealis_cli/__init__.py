"""``borealis``, the operator's command line: speaks REST only, like any other client of the Engine.

Imports ``borealis_wire`` and ``borealis_base``, never the Engine. One module for each group of commands; what they
share is below them: ``surroundings`` (the process), ``places`` (which Engine), ``trust`` (TLS), ``client`` (REST),
``text`` and ``tables`` (what people read).
"""
