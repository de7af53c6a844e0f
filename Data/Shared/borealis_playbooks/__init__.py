"""Runs playbooks with Ansible, which lives in an environment of its own and is installed when first needed.

Used by the agent, for the device that it is on, and by the Engine, for machines without an agent; knows neither. Both
import ``launch`` and nothing else. The rest works in child processes of a run, so that cancelling the run ends all of
it, the installation too, and nothing of Ansible costs memory while no playbook runs. On a device ``program`` (the
agent's interpreter) sees to the ``environment``, then becomes ``play`` (the environment's interpreter), which imports
ansible-runner and tells in words (``telling``) and in figures (``recap``) what happens. On the Engine's machine
``elsewhere`` is in the place of ``program``: it sets the play ``apart`` first. What Ansible is told about the machine
is ``target``; its ssh key is in a ``keyring``.
"""
