"""The Engine: what agents and operators talk to. `app` builds the rooms; every other package is one room."""
