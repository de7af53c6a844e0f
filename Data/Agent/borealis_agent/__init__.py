"""The agent: what runs on a device. `app` builds the rooms; every other package is one room (Docs/architecture.md)."""
