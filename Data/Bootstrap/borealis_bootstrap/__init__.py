"""Prepare the runtimes of Engine and agent, start, watch and stop them, and lead a newcomer to the first run.

Standard library only, for it runs before anything is installed. Owns ``Code/``, ``Python/``, ``Run/`` and
``Logs/{install,supervisor}.log`` of both runtimes; never touches settings, certificates, database or spools. Speaks
to the Engine by REST alone, like any other client. No product logic.
"""
