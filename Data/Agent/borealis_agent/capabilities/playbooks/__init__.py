"""Runs playbooks with Ansible, which lives in an environment of its own and is installed when first needed.

The agent itself imports ``launch`` only. The rest works in a child process of the run, so that cancelling the run ends
all of it, the installation too, and nothing of Ansible costs memory while no playbook runs: ``program`` (the agent's
interpreter) sees to the ``environment``, then becomes ``play`` (the environment's interpreter), which imports
ansible-runner and tells in words (``telling``) and in figures (``recap``) what happens.
"""
