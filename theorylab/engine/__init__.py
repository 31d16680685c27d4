"""Runs, devices, storage: everything about computing an ensemble that is not physics."""
